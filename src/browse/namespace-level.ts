/**
 * One level of the tree that the components of repository names form. A component can be a repository, a namespace or both:
 * `team` and `team/app`. The entries are in ASCII order of whole names, where a namespace has the place of `team/`.
 */
import { placeOf } from "../domain/page.js";
import { nameCharactersMax, type RepositoryName } from "../domain/repository-name.js";

export interface Namespace {
  readonly kind: "namespace";
  /** Without a slash at the end. */
  readonly path: string;
  /** The number of repositories below it that the caller may see; `undefined` if it is not known yet. */
  readonly repositories: number | undefined;
}

export interface ListedRepository {
  readonly kind: "repository";
  readonly name: RepositoryName;
}

export type LevelEntry = Namespace | ListedRepository;

export interface LevelQuery {
  /** The namespace whose level is wanted, without a slash at the end; `""` for the root. */
  readonly namespace: string;
  /** Maximum number of entries. */
  readonly n: number;
  /** The `next` of the page before; `""` for the first page. */
  readonly last: string;
}

/** The first entries of a page, as far as they are known. */
export interface LevelPart {
  readonly entries: readonly LevelEntry[];
  /** Whether there are more entries after these. */
  readonly more: boolean;
  /** The place from which on nothing is known; absent if that did not shorten the part. */
  readonly unknownFrom?: string;
}

/** Returns the beginning of the names below a namespace. */
export function prefixOf(namespace: string): string {
  return namespace === "" ? "" : `${namespace}/`;
}

/** Returns the place of an entry, which is also the cursor of a page that ends with it. */
export function cursorOf(entry: LevelEntry): string {
  return entry.kind === "repository" ? entry.name : `${entry.path}/`;
}

/** The entry after a prefix that a name below it belongs to. */
export function entryOf(name: RepositoryName, prefix: string): LevelEntry {
  const slash = name.indexOf("/", prefix.length);
  return slash === -1
    ? { kind: "repository", name }
    : { kind: "namespace", path: name.slice(0, slash), repositories: undefined };
}

/** Returns a text after all names that begin with `prefix`, and before all other names after them. */
export function lastBelow(prefix: string): string {
  return prefix.padEnd(nameCharactersMax + 1, "z");
}

/** Returns a text such that the names after it are those after the cursor. */
export function afterCursor({ namespace, last }: LevelQuery): string {
  const prefix = prefixOf(namespace);
  // A cursor of another level is no error: the page then begins where that would be.
  if (last < prefix) return prefix;
  return last.endsWith("/") ? lastBelow(last) : last;
}

/** Returns the number of names that begin with `prefix`. */
export function countBelow(names: readonly RepositoryName[], prefix: string): number {
  return endBelow(names, prefix) - placeOf(names, prefix);
}

function endBelow(names: readonly RepositoryName[], prefix: string): number {
  return prefix === "" ? names.length : placeOf(names, lastBelow(prefix));
}

/**
 * Returns a page of a level from sorted names. The names up to `knownTo` are known; all, if it is `undefined`. Costs a binary
 * search for each entry, however many names there are.
 */
export function levelOf(
  names: readonly RepositoryName[],
  knownTo: string | undefined,
  query: LevelQuery,
): LevelPart {
  const prefix = prefixOf(query.namespace);
  const end = endBelow(names, prefix);
  const after = afterCursor(query);
  const entries: LevelEntry[] = [];
  let place = placeOf(names, after);
  if (names[place] === after) place++;
  let unknownFrom = after;
  while (place < end) {
    const name = names[place] as RepositoryName;
    if (knownTo !== undefined && name > knownTo) break;
    if (entries.length === query.n) return { entries, more: true };
    const entry = entryOf(name, prefix);
    if (entry.kind === "repository") {
      entries.push(entry);
      place++;
      unknownFrom = name;
    } else {
      const below = `${entry.path}/`;
      const next = endBelow(names, below);
      const isCounted = knownTo === undefined || lastBelow(below) <= knownTo;
      entries.push(isCounted ? { ...entry, repositories: next - place } : entry);
      place = next;
      unknownFrom = lastBelow(below);
    }
  }
  const isKnown = knownTo === undefined || lastBelow(prefix) <= knownTo;
  return isKnown ? { entries, more: false } : { entries, more: true, unknownFrom };
}
