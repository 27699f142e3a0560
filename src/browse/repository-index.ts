/** Finds repositories by the tree of their names and by text, among those that the caller may see, however many there are. */
import type { CatalogPermit } from "../auth/gate.js";
import { placeOf } from "../domain/page.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Deadline } from "../lib/deadline.js";
import { Pieces } from "../lib/pieces.js";
import type { Slices } from "../lib/slices.js";
import type { CatalogCopy } from "./catalog-copy.js";
import { type NamesAfter, walkLevel } from "./level-walk.js";
import { type FoundNames, type NameSearch, searchNames } from "./name-search.js";
import {
  afterCursor,
  countBelow,
  cursorOf,
  type LevelEntry,
  type LevelPart,
  type LevelQuery,
  levelOf,
  prefixOf,
} from "./namespace-level.js";
import { VisibleNames } from "./visible-names.js";

/** Entries of a page. */
export const levelEntriesMax = 100;

export interface NamespacePage {
  readonly entries: readonly LevelEntry[];
  /** The cursor of the next page; absent on the last page. */
  readonly next?: string;
  /** The number of repositories below the namespace that the caller may see; `undefined` if it is not known yet. */
  readonly repositories: number | undefined;
  /** The repository that has the namespace as its name; absent if the caller may not see it, or if it is not known yet. */
  readonly own: RepositoryName | undefined;
  /** Whether numbers are missing for good, because the registry has too many repositories. */
  readonly tooMany: boolean;
  /** Whether nothing is missing that can become known: neither entries nor numbers. Otherwise, ask again in a moment. */
  readonly complete: boolean;
}

export interface SearchPage extends FoundNames {
  /** Whether only the first repositories were searched, because the registry has too many. */
  readonly tooMany: boolean;
}

/** Names that the caller may see, in ASCII order, as far as they are known. */
interface Known {
  readonly names: readonly RepositoryName[];
  /** Names up to this one are known; `undefined` if all are. */
  readonly knownTo: string | undefined;
}

export class RepositoryIndex {
  readonly #visible: VisibleNames;

  constructor(
    readonly catalog: CatalogCopy,
    readonly slices: Slices,
  ) {
    this.#visible = new VisibleNames(catalog, slices);
  }

  /** Returns a page of one level of the tree. */
  async namespace(permit: CatalogPermit, query: LevelQuery, deadline: Deadline): Promise<NamespacePage> {
    const wanted = { ...query, n: Math.max(1, Math.min(query.n, levelEntriesMax)) };
    const known = await this.#known(permit, deadline);
    const part = levelOf(known.names, known.knownTo, wanted);
    const { entries, more, unknownFrom } =
      part.unknownFrom === undefined
        ? part
        : await this.#continued(permit, part, part.unknownFrom, wanted, deadline);
    const repositories =
      known.knownTo === undefined ? countBelow(known.names, prefixOf(query.namespace)) : undefined;
    const last = entries.at(-1);
    const isCounted = entries.every(
      (entry) => entry.kind === "repository" || entry.repositories !== undefined,
    );
    const { catalog } = this;
    const tooMany = catalog.tooMany && known.knownTo === catalog.knownTo;
    const isWhole = isCounted && repositories !== undefined && catalog.isComplete;
    return {
      entries,
      ...(more && last !== undefined && { next: cursorOf(last) }),
      repositories,
      own: namedIn(known.names, query.namespace),
      tooMany,
      complete: unknownFrom === undefined && (isWhole || tooMany),
    };
  }

  /** Returns the best of the repositories whose names contain the text, in upper or lower case. */
  async search(permit: CatalogPermit, search: NameSearch, deadline: Deadline): Promise<SearchPage> {
    const known = await this.#known(permit, deadline);
    const isChosen = known.knownTo === undefined;
    const { catalog } = this;
    const found = await searchNames(
      isChosen
        ? { names: () => known.names, shown: everything }
        : { names: () => catalog.names, shown: permit.shown },
      { ...search, n: Math.max(1, Math.min(search.n, levelEntriesMax)) },
      deadline,
      new Pieces(this.slices, permit.identity.subject, deadline.signal),
    );
    const { tooMany } = catalog;
    return { ...found, tooMany, complete: found.complete && (catalog.isComplete || tooMany) };
  }

  close(): void {
    this.#visible.clear();
  }

  /** Returns the names that the caller may see, and no others. Waits for them until the deadline if they can be known soon. */
  async #known(permit: CatalogPermit, deadline: Deadline): Promise<Known> {
    const { catalog } = this;
    void catalog.refresh();
    if (permit.shown.all) return catalog;
    // The list could not follow.
    if (catalog.isReading && catalog.knownTo !== undefined) return { names: [], knownTo: "" };
    const visible = this.#visible.of(permit);
    // Half of the time, so that a walk can find the first entries in the rest.
    if (visible.knownTo !== undefined) await deadline.half().within(visible.ended.catch(() => {}));
    return { names: visible.list.names, knownTo: earlier(visible.knownTo, catalog.knownTo) };
  }

  /** Finds the entries of the page that are not known by walking through the names. */
  async #continued(
    permit: CatalogPermit,
    part: LevelPart,
    unknownFrom: string,
    query: LevelQuery,
    deadline: Deadline,
  ): Promise<LevelPart> {
    const after = part.entries.length === 0 ? afterCursor(query) : unknownFrom;
    const level = { namespace: query.namespace, after, n: query.n - part.entries.length };
    const rest = await walkLevel(this.#namesAfter, permit.shown, level, deadline);
    return { ...rest, entries: [...part.entries, ...rest.entries] };
  }

  get #namesAfter(): NamesAfter {
    const { catalog } = this;
    return (after, atOnce) =>
      catalog.knownTo === undefined
        ? namesAfter(catalog, after)
        : catalog.storage.repositories.list(after, atOnce);
  }
}

function namedIn(sorted: readonly RepositoryName[], name: string): RepositoryName | undefined {
  const found = sorted[placeOf(sorted, name)];
  return found === name ? found : undefined;
}

/** Returns the smaller of two places up to which names are known. */
function earlier(a: string | undefined, b: string | undefined): string | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}

const everything = { has: () => true };

async function* namesAfter(catalog: CatalogCopy, after: string): AsyncGenerator<RepositoryName, void> {
  let last = after;
  let place = 0;
  for (;;) {
    const { names } = catalog;
    if (names[place - 1] !== last) {
      place = placeOf(names, last);
      if (names[place] === last) place++;
    }
    const name = names[place++];
    if (name === undefined) return;
    yield name;
    last = name;
  }
}
