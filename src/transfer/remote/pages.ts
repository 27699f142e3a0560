/** Lists that a registry gives in pages, each of which names the next by `Link` (RFC 8288). */
import { isObject } from "../../domain/descriptor.js";
import { SourceError } from "../source.js";
import { type Answer, bodyOf, expectSuccess, jsonOf, type RegistryClient } from "./client.js";

/** A page of a thousand names of 255 characters fits well; registries that know no pages give all at once. */
const pageBytesMax = 64 * 1024 * 1024;

/** The texts of the list `field` on all pages. */
export async function* textsOf(
  client: RegistryClient,
  repository: string,
  path: string,
  field: string,
): AsyncIterable<string> {
  for (let next: string | undefined = path; next !== undefined; ) {
    const answer = await client.request(repository, next);
    const body = await bodyOf(answer, pageBytesMax, next);
    expectSuccess(answer, next);
    const page = jsonOf(body, next);
    const list = isObject(page) ? (page[field] ?? []) : undefined;
    if (!Array.isArray(list)) throw new SourceError(`the answer to ${next} has no list of ${field}`);
    for (const text of list as unknown[]) if (typeof text === "string") yield text;
    next = nextOf(answer, next);
  }
}

/** Path and query of the next page, `undefined` where this is the last. Throws where it is the same again. */
export function nextOf({ headers }: Answer, path: string): string | undefined {
  const link = headers.link;
  const match = /<([^>]*)>\s*;\s*rel="?next"?/i.exec(Array.isArray(link) ? link.join(", ") : (link ?? ""));
  if (match?.[1] === undefined) return undefined;
  const next = new URL(match[1], new URL(path, "http://registry.invalid"));
  if (next.host !== "registry.invalid") return next.href;
  const target = next.pathname + next.search;
  if (target === path) throw new SourceError(`the page behind ${path} is that page again`);
  return target;
}
