/**
 * The tags of one repository with their times, in memory and in several orders. Changes mark a tag as changed; it is read again
 * when the table is used, so that a push costs no more than that.
 */
import type { Digest } from "../domain/digest.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { compareVersions, parseVersion, type Version } from "../domain/version.js";
import { compareByPush, type Ruling, rulingOf, type TagPolicy } from "../gc/retention.js";
import { type Pieces, sortedInPieces } from "../lib/pieces.js";
import type { TagStore } from "../storage/storage.js";

export class TagEntry {
  /** Absent until somebody has looked at the tag. */
  digest: Digest | undefined;
  /** Absent until somebody has asked how long the tag stays. */
  #ruling: Ruling | undefined;
  /** The policy that says so. */
  #ruledBy: TagPolicy | undefined;
  #version: Version | undefined | "unparsed" = "unparsed";

  constructor(
    readonly tag: Tag,
    /** In milliseconds since the epoch; 0 if it is unknown. */
    readonly pushedAt: number,
    readonly pulledAt: number | undefined,
  ) {}

  get version(): Version | undefined {
    if (this.#version === "unparsed") this.#version = parseVersion(this.tag);
    return this.#version;
  }

  /** Returns what the policy says of this tag of the repository. Remembers it, because it takes microseconds to find. */
  rulingOf(policy: TagPolicy, name: RepositoryName): Ruling {
    if (this.#ruling === undefined || this.#ruledBy !== policy) {
      this.#ruling = rulingOf(policy, name, this.tag);
      this.#ruledBy = policy;
    }
    return this.#ruling;
  }
}

/** Orders in which the entries are kept. */
export type KeptOrder = "newest" | "name" | "version";

const compareByName = (a: TagEntry, b: TagEntry) => (a.tag < b.tag ? -1 : Number(a.tag > b.tag));

const comparisons: Readonly<Record<KeptOrder, (a: TagEntry, b: TagEntry) => number>> = {
  newest: compareByPush,
  name: compareByName,
  version: (a, b) => compareVersions(a.version, b.version) || compareByName(a, b),
};

/** Changed tags that are moved within the kept orders; for more, the orders are made again. */
const movesMax = 64;

/** Changed tags that are remembered. For more, the whole table is read again. */
const changedMax = 1_000;

export class TagTable {
  readonly #entries = new Map<Tag, TagEntry>();
  /** Tags to be read again. */
  #changed = new Set<Tag>();
  /** Never modified, so that a caller can go through one in pieces. */
  readonly #orders = new Map<KeptOrder, readonly TagEntry[]>();
  /** Updates run one after the other. */
  #updating: Promise<unknown> = Promise.resolve();

  constructor(
    readonly tags: Pick<TagStore, "times">,
    readonly name: RepositoryName,
  ) {}

  get size(): number {
    return this.#entries.size;
  }

  /** Whether no change waits to be read. */
  get isCurrent(): boolean {
    return this.#changed.size === 0;
  }

  /** Returns false if too many tags have changed since the table was last used: it has to be read again. */
  markChanged(tag: Tag): boolean {
    if (this.#changed.size >= changedMax && !this.#changed.has(tag)) return false;
    this.#changed.add(tag);
    return true;
  }

  /** Returns the entries of those of `tags` that exist. */
  some(tags: readonly Tag[]): ReadonlyMap<Tag, TagEntry> {
    const found = new Map<Tag, TagEntry>();
    for (const tag of tags) {
      const entry = this.#entries.get(tag);
      if (entry !== undefined) found.set(tag, entry);
    }
    return found;
  }

  /** Reads all tags. Stops when `isWanted` returns false, and resolves with whether all were read. */
  async read(isWanted: () => boolean): Promise<boolean> {
    for await (const { tag, times } of this.tags.times(this.name)) {
      if (!isWanted()) return false;
      this.#entries.set(tag, new TagEntry(tag, times?.pushedAt ?? 0, times?.pulledAt));
    }
    return true;
  }

  /** Returns the entries in that order, as far as it is known without reading. */
  known(order: KeptOrder): readonly TagEntry[] | undefined {
    return this.#orders.get(order);
  }

  /** Reads the changed tags again, and resolves with the entries in that order. */
  sorted(order: KeptOrder, pieces: Pieces): Promise<readonly TagEntry[]> {
    const sorting = this.#updating.then(async () => {
      await this.#readChanged();
      const known = this.#orders.get(order);
      if (known !== undefined) return known;
      await pieces.begin();
      const sorted = await sortedInPieces([...this.#entries.values()], comparisons[order], pieces);
      this.#orders.set(order, sorted);
      return sorted;
    });
    this.#updating = sorting.catch(() => {});
    return sorting;
  }

  async #readChanged(): Promise<void> {
    const changed = [...this.#changed];
    if (changed.length === 0) return;
    this.#changed = new Set();
    const read = new Map<Tag, TagEntry>();
    try {
      for await (const { tag, times } of this.tags.times(this.name, changed))
        read.set(tag, new TagEntry(tag, times?.pushedAt ?? 0, times?.pulledAt));
    } catch (error) {
      for (const tag of changed) this.#changed.add(tag);
      throw error;
    }
    if (changed.length > movesMax) this.#orders.clear();
    for (const tag of changed) this.#replace(tag, read.get(tag));
  }

  #replace(tag: Tag, entry: TagEntry | undefined): void {
    const before = this.#entries.get(tag);
    for (const [order, entries] of this.#orders) {
      const compare = comparisons[order];
      const rest = before === undefined ? entries : entries.toSpliced(placeIn(entries, before, compare), 1);
      this.#orders.set(
        order,
        entry === undefined ? rest : rest.toSpliced(placeIn(rest, entry, compare), 0, entry),
      );
    }
    if (entry === undefined) this.#entries.delete(tag);
    else this.#entries.set(tag, entry);
  }
}

/** Returns the index of the entry, or where to insert it. */
function placeIn(
  sorted: readonly TagEntry[],
  entry: TagEntry,
  compare: (a: TagEntry, b: TagEntry) => number,
): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(sorted[middle] as TagEntry, entry) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
