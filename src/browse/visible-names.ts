/**
 * Lists of the names that a caller may see. The policy filters the catalog once for each caller, in slices: 0.1 s for 100,000
 * names. Recently used lists are kept and follow the catalog's changes when used.
 */
import type { CatalogPermit, Visible } from "../auth/gate.js";
import type { Identity } from "../auth/identity.js";
import type { Policy } from "../auth/policy.js";
import { placeOf } from "../domain/page.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { Pieces } from "../lib/pieces.js";
import type { Slices } from "../lib/slices.js";
import type { CatalogCopy } from "./catalog-copy.js";
import { NameList } from "./name-list.js";

/** Lists of callers. */
const listsMax = 64;
/** Names in all lists, 8 bytes each: the texts are those of the catalog. */
const namesMax = 2_000_000;

export class VisibleList {
  readonly list = new NameList();
  /** The names up to this one have been chosen; `undefined` if all are. */
  knownTo: string | undefined = "";
  readonly #generation: number;
  /** The first change of the catalog that has not been followed. */
  #next: number;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;

  constructor(
    readonly catalog: CatalogCopy,
    readonly shown: Visible,
    slices: Slices,
    client: string,
  ) {
    this.#generation = catalog.generation;
    this.#next = catalog.log.end;
    this.#ended = this.#choose(new Pieces(slices, client, this.#stopping.signal));
    this.#ended.catch(() => {});
  }

  /** Resolves when all names have been chosen. Rejects if the list is dropped before. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Follows the changes of the catalog. Returns whether it could. */
  follow(): boolean {
    const { catalog } = this;
    const changes = catalog.generation === this.#generation ? catalog.log.since(this.#next) : undefined;
    if (changes === undefined) return false;
    this.#next += changes.length;
    for (const { item: name, added } of changes) {
      // Later names are chosen from the current catalog.
      if (this.knownTo !== undefined && name > this.knownTo) continue;
      if (!added) this.list.remove(name);
      else if (this.shown.has(name)) this.list.add(name);
    }
    return true;
  }

  async #choose(pieces: Pieces): Promise<void> {
    await pieces.begin();
    while (this.follow()) {
      const { names, knownTo } = this.catalog;
      let place = placeOf(names, this.knownTo ?? "");
      if (names[place] === this.knownTo) place++;
      for (; place < names.length && !pieces.step(); place++) {
        const name = names[place] as RepositoryName;
        if (this.shown.has(name)) this.list.add(name);
        this.knownTo = name;
      }
      if (place === names.length) {
        this.knownTo = knownTo;
        return;
      }
      await pieces.begin();
    }
    throw new Error("the catalog was read again meanwhile");
  }
}

export class VisibleNames {
  /** The one that was used last comes last. */
  readonly #lists = new Map<string, VisibleList>();
  #policy: Policy | undefined;
  readonly #limits = new WeakMap<object, number>();
  #limitsSeen = 0;

  constructor(
    readonly catalog: CatalogCopy,
    readonly slices: Slices,
  ) {}

  /** Returns the list of the caller, which may have just been begun. The catalog must not be being read. */
  of({ identity, shown, policy }: CatalogPermit): VisibleList {
    if (this.#policy !== policy) {
      this.clear();
      this.#policy = policy;
    }
    const key = this.#keyOf(identity);
    const known = this.#lists.get(key);
    const isCurrent = known?.follow() === true;
    if (known !== undefined && !isCurrent) known.stop();
    const list =
      known !== undefined && isCurrent
        ? known
        : new VisibleList(this.catalog, shown, this.slices, identity.subject);
    this.#lists.delete(key);
    this.#bound();
    this.#lists.set(key, list);
    return list;
  }

  clear(): void {
    for (const list of this.#lists.values()) list.stop();
    this.#lists.clear();
  }

  #bound(): void {
    let names = 0;
    for (const { list } of this.#lists.values()) names += list.length;
    for (const [key, list] of this.#lists) {
      if (this.#lists.size < listsMax && names <= namesMax) return;
      list.stop();
      this.#lists.delete(key);
      names -= list.list.length;
    }
  }

  /** Everything that a decision of the policy can depend on. */
  #keyOf({ kind, subject, name, groups, version, claims, limit, limitDecides }: Identity): string {
    return JSON.stringify([
      ...[kind, subject, name, groups, version, claims, limitDecides],
      limit && this.#numberOf(limit),
    ]);
  }

  #numberOf(limit: object): number {
    const number = this.#limits.get(limit) ?? ++this.#limitsSeen;
    this.#limits.set(limit, number);
    return number;
  }
}
