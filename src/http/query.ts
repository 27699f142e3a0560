/** Parses query parameters for the use cases. */
import { type Digest, parseDigest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";

const wholeNumber = /^\d{1,18}$/;

/** Parses `n` of a paginated list: at most `entriesMax`, which is also the default. Throws `page-invalid`. */
export function parsePageSize(text: string | null, entriesMax: number): number {
  if (text === null || text === "") return entriesMax;
  if (!wholeNumber.test(text)) {
    throw new RegistryError("page-invalid", "invalid number of results requested", { n: text.slice(0, 32) });
  }
  return Math.min(Number(text), entriesMax);
}

/** Returns a positive number of the query, such as that of a page. Longer and other texts are none. */
export function positiveIn(query: URLSearchParams, name: string, otherwise: number): number {
  const text = query.get(name) ?? "";
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : otherwise;
}

/** Returns the digest in the query of a rollback. Throws `digest-invalid`. */
export function digestIn({ query }: { readonly query: string }): Digest {
  const text = new URLSearchParams(query).get("digest");
  if (text === null)
    throw new RegistryError("digest-invalid", "name the digest: ?digest=<digest of the history>");
  return parseDigest(text);
}

/** Returns the registry whose image is meant, which containerd and BuildKit send to a mirror as `ns`. */
export function namespaceOf(query: string): string | undefined {
  return (query.includes("ns=") && new URLSearchParams(query).get("ns")) || undefined;
}

/**
 * Returns a `Link` header to the next page of the requested list (RFC 5988), relative so that it is correct behind any proxy.
 * It names the repository as the request did, with its `ns`.
 */
export function nextLink(
  { path, query }: { readonly path: string; readonly query: string },
  parameters: Readonly<Record<string, string>>,
): [string, string] {
  const ns = namespaceOf(query);
  const next = new URLSearchParams({ ...parameters, ...(ns !== undefined && { ns }) });
  return ["Link", `<${path}?${next}>; rel="next"`];
}
