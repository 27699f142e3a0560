/** Parses query parameters for the use cases. */
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
