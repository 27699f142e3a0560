/** Reads paginated lists of a registry, each page of which links to the next by `Link` (RFC 8288). */
import { isObject } from "../../domain/descriptor.js";
import { SourceError } from "../source.js";
import { type Answer, type Headers, jsonOf } from "./answer.js";
import type { RegistryClient } from "./client.js";

export interface ListBounds {
  readonly pageBytesMax: number;
  readonly entriesMax: number;
}

/** Registries without pagination return all names at once: half a million of 30 characters. */
const namesBounds: ListBounds = { pageBytesMax: 16 * 1024 * 1024, entriesMax: 1_000_000 };

/** Maximum pages of one list. A registry with a hundred names per page needs as many for a million. */
const pagesMax = 10_000;

/** Returns the strings in the list `field` of all pages. */
export async function* textsOf(
  client: RegistryClient,
  repository: string,
  path: string,
  field: string,
): AsyncIterable<string> {
  for await (const entry of entriesOf(client, repository, path, field, namesBounds))
    if (typeof entry === "string") yield entry;
}

/**
 * Returns the entries of the list `field` of all pages, with one page in memory at a time. Throws `SourceError` beyond the
 * bounds of pages or entries, because a malicious registry never ends, and `AnswerError` if there is no list.
 */
export async function* entriesOf(
  client: RegistryClient,
  repository: string,
  path: string,
  field: string,
  { pageBytesMax, entriesMax }: ListBounds,
  headers: Headers = {},
  late?: AbortSignal,
): AsyncIterable<unknown> {
  let entries = 0;
  let next: string | undefined = path;
  for (let pages = 1; next !== undefined; pages++) {
    if (pages > pagesMax) throw new SourceError(`the list ${path} has more than ${pagesMax} pages`);
    const { answer, body } = await client.whole(repository, next, pageBytesMax, headers, late);
    const page = jsonOf(body, next);
    const list = isObject(page) ? (page[field] ?? []) : undefined;
    if (!Array.isArray(list)) throw new SourceError(`the response to ${next} has no list of ${field}`);
    for (const entry of list as unknown[]) {
      if (++entries > entriesMax)
        throw new SourceError(
          `the list ${path} has more than ${entriesMax} entries; the others were not read`,
        );
      yield entry;
    }
    next = nextOf(answer, next);
  }
}

/** Returns path and query of the next page, or `undefined` after the last. Throws if it is the same page again. */
function nextOf({ headers }: Answer, path: string): string | undefined {
  const link = headers.link;
  const match = /<([^<>]*)>\s*;\s*rel="?next"?/i.exec(Array.isArray(link) ? link.join(", ") : (link ?? ""));
  if (match?.[1] === undefined) return undefined;
  const base = new URL(path, "http://registry.invalid");
  if (!URL.canParse(match[1], base.href))
    throw new SourceError(`the next page of ${path} has an invalid URL: ${match[1]}`);
  const next = new URL(match[1], base);
  if (next.host !== "registry.invalid") return next.href;
  const target = next.pathname + next.search;
  if (target === path) throw new SourceError(`the next page of ${path} is the same page`);
  return target;
}
