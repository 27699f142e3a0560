/** The tables of the repositories whose tags were shown last, within a bound on the memory of all of them. */
import type { Change, Changes, ChangesLost } from "../cluster/cluster.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { Pieces } from "../lib/pieces.js";
import type { Slices } from "../lib/slices.js";
import type { TagStore } from "../storage/storage.js";
import { TagTable } from "./tag-table.js";

export interface TagTablesOptions {
  readonly slices: Slices;
  readonly onError: (error: unknown) => void;
  /** Tags in all tables, some 300 bytes each. */
  readonly tagsMax?: number;
}

const defaultTagsMax = 200_000;

/** Repositories with few or no tags take some memory, too. */
const tablesMax = 1_000;

/** Tags read between two looks at the bound. */
const tagsPerLook = 256;

/** Times of pulls by other nodes are published by nobody, and accurate to an hour anyway. */
const ageMillisecondsMax = 10 * 60_000;

/** Pause after the storage has failed. */
const retryMilliseconds = 5_000;

const never = Number.NEGATIVE_INFINITY;

interface Kept {
  /** Absent until all tags were read once, and if there are too many. */
  table?: TagTable;
  /** The table that is being filled. */
  filling?: TagTable | undefined;
  ended?: Promise<void> | undefined;
  /** Whether the table is missing or stale. */
  isOutdated: boolean;
  /** Whether it became stale again while it was read. */
  isOutdatedAgain: boolean;
  /** By the clock of `performance`. */
  readAt: number;
  failedAt: number;
  tooMany: boolean;
  /** Another number after each change of the repository's tags. */
  version: number;
}

export interface FoundTable {
  /** Absent until all tags were read, and if there are too many. */
  readonly table: TagTable | undefined;
  /** Whether nothing is missing that can become known. */
  readonly isCurrent: boolean;
  readonly tooMany: boolean;
  /** Another number after each change of the repository's tags. */
  readonly version: number;
}

export class TagTables {
  /** The one that was used last comes last. */
  readonly #kept = new Map<RepositoryName, Kept>();
  #changes = 0;
  readonly #unsubscribe: () => void;
  readonly #closing = new AbortController();

  constructor(
    readonly tags: Pick<TagStore, "times">,
    readonly changes: Pick<Changes, "subscribe" | "knows">,
    readonly options: TagTablesOptions,
  ) {
    this.#unsubscribe = changes.subscribe((change) => {
      this.#follow(change);
      return undefined;
    });
  }

  has(name: RepositoryName): boolean {
    return this.#kept.has(name);
  }

  /** Returns what is known of the tags, and reads them if necessary. The repository must exist. */
  get(name: RepositoryName): FoundTable {
    const kept = this.#kept.get(name) ?? newKept(++this.#changes);
    this.#kept.delete(name);
    this.#kept.set(name, kept);
    this.#bound();
    const now = performance.now();
    const isDue = kept.isOutdated || (!kept.tooMany && now - kept.readAt > ageMillisecondsMax);
    const mayRead = now - kept.failedAt > retryMilliseconds && !this.#closing.signal.aborted;
    if (isDue && mayRead && kept.ended === undefined)
      kept.ended = this.#read(name, kept).finally(() => {
        kept.ended = undefined;
      });
    const { table, tooMany, version } = kept;
    const isRead = table !== undefined || tooMany;
    return { table, isCurrent: isRead && !kept.isOutdated && this.changes.knows("tags"), tooMany, version };
  }

  /** Resolves when the reading of the table, if any, has ended. Never rejects. */
  async ended(name: RepositoryName): Promise<void> {
    await this.#kept.get(name)?.ended;
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("the server stops"));
    this.#unsubscribe();
    await Promise.all(Array.from(this.#kept.values(), ({ ended }) => ended));
  }

  async #read(name: RepositoryName, kept: Kept): Promise<void> {
    const table = new TagTable(this.tags, name);
    kept.filling = table;
    kept.isOutdatedAgain = false;
    kept.readAt = performance.now();
    try {
      let read = 0;
      const isWanted = () => {
        if (++read % tagsPerLook !== 0) return true;
        kept.tooMany = !this.#bound();
        return !this.#closing.signal.aborted && !kept.tooMany && this.#kept.get(name) === kept;
      };
      if (await table.read(isWanted)) {
        // The usual order, so that the first page that needs it does not have to wait.
        await table.sorted("newest", new Pieces(this.options.slices, "tags", this.#closing.signal));
        kept.table = table;
      } else if (kept.tooMany) delete kept.table;
      kept.isOutdated = kept.isOutdatedAgain;
    } catch (error) {
      kept.failedAt = performance.now();
      if (!this.#closing.signal.aborted) this.options.onError(error);
    } finally {
      kept.filling = undefined;
    }
  }

  /** Drops tables that were not used for the longest time. Returns false if the last one has too many tags by itself. */
  #bound(): boolean {
    const { tagsMax = defaultTagsMax } = this.options;
    let tags = 0;
    for (const kept of this.#kept.values()) tags += sizeOf(kept);
    for (const [name, kept] of this.#kept) {
      if (tags <= tagsMax && this.#kept.size <= tablesMax) return true;
      if (this.#kept.size === 1) return tags <= tagsMax;
      this.#kept.delete(name);
      tags -= sizeOf(kept);
    }
    return true;
  }

  #follow(change: Change | ChangesLost): void {
    switch (change.kind) {
      case "tag-pointed":
      case "tag-removed":
      case "tag-unsure": {
        const kept = this.#kept.get(change.name);
        if (kept !== undefined) kept.version = ++this.#changes;
        if (kept?.table?.markChanged(change.tag) === false) kept.isOutdated = true;
        if (kept?.filling?.markChanged(change.tag) === false) kept.isOutdatedAgain = true;
        return;
      }
      case "repository-emptied":
        this.#kept.delete(change.name);
        return;
      case "lost":
        for (const kept of this.#kept.values()) {
          kept.isOutdated = true;
          kept.isOutdatedAgain = true;
          kept.version = ++this.#changes;
        }
    }
  }
}

function newKept(version: number): Kept {
  const [readAt, failedAt] = [never, never];
  return { isOutdated: true, isOutdatedAgain: false, readAt, failedAt, tooMany: false, version };
}

function sizeOf({ table, filling }: Kept): number {
  return (table?.size ?? 0) + (filling?.size ?? 0);
}
