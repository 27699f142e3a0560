/**
 * The histories of tags: each entry an empty object, whose key says everything, so that one request reads a page of them. A push
 * writes its entry beside the tag, without reading what is there. So there may be entries that point a tag to the target that it
 * already had, and entries of pushes that failed.
 */
import { LRUCache } from "lru-cache";
import { isTag, type Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import {
  distinctEntries,
  type HistoryBounds,
  keptEntries,
  type TagEntry,
  type TagHistory,
  type TagNote,
  withCurrent,
} from "../../domain/tag-history.js";
import { entriesMax } from "../../lib/lru-bound.js";
import { entryName, type NamedEntry, parseEntryName } from "../entry-name.js";
import type { HistoryStore } from "../storage.js";
import type { S3Client } from "./client.js";
import { keys, lastOf } from "./keys.js";
import type { StoredRecords } from "./stored-records.js";
import { parsePointer } from "./tag-pointer.js";

/** Entries that a reader lists, in 10 requests. A tag has more than some hundred only if many nodes push it all the time. */
const listedMax = 10_000;

/** Tags whose pushes are counted at this node, about 200 bytes each. */
const countedMax = 10_000;

/** Keys removed with one request; S3 allows no more. */
const removedAtOnce = 1000;

/** Entries that point a tag to the same target one after the other. */
interface Run {
  /** The oldest, which tells since when and by whom. */
  entry: NamedEntry;
  readonly nonces: (string | undefined)[];
}

export class S3History implements HistoryStore {
  /** Entries that this node has added to a tag since it last pruned it. */
  readonly #added = new LRUCache<string, number>(entriesMax(countedMax));

  constructor(
    readonly client: S3Client,
    readonly records: StoredRecords,
    /** Called if a history could not be pruned. A collection prunes it again. */
    readonly onUnpruned: (error: unknown) => void,
  ) {}

  /** Adds an entry for a change now. The tag's own object has the same nonce. */
  async add(
    name: RepositoryName,
    tag: Tag,
    change: Pick<TagEntry, "kind" | "digest">,
    nonce: string,
    { by, bounds }: TagNote,
  ): Promise<void> {
    const entry = entryName({ ...change, at: Date.now(), by }, nonce);
    await this.client.put(keys.historyEntry(name, tag, entry), new Uint8Array());
    const key = `${name}:${tag}`;
    const added = (this.#added.get(key) ?? 0) + 1;
    this.#added.set(key, added < bounds.entriesMax ? added : 0);
    // In the background, so that a tag that is pushed all the time has few more entries than it keeps until a collection.
    if (added >= bounds.entriesMax) this.#pruneSoon(name, tag, bounds).catch(this.onUnpruned);
  }

  async #pruneSoon(name: RepositoryName, tag: Tag, bounds: HistoryBounds): Promise<void> {
    const entries: NamedEntry[] = [];
    for await (const entry of this.#entries(name, tag)) entries.push(entry);
    await this.#pruneTag(name, tag, entries, bounds);
  }

  async *list(name: RepositoryName, tag: Tag): AsyncIterable<TagEntry> {
    const [runs, found] = await Promise.all([
      this.#runsOf(name, tag),
      this.records.find(keys.tag(name, tag), parsePointer),
    ]);
    const pointer = found?.value;
    const current = pointer && { pushedAt: found.modifiedAt, ...pointer };
    // Nodes' clocks differ, so the entry of the last push need not be the first.
    const last =
      pointer?.nonce === undefined ? -1 : runs.findIndex(({ nonces }) => nonces.includes(pointer.nonce));
    if (last > 0) runs.unshift(...runs.splice(last, 1));
    yield* withCurrent(distinctEntries(runs.map(({ entry }) => entry)), current);
  }

  async *removed(name: RepositoryName, after = ""): AsyncIterable<Tag> {
    const removed = new Set<Tag>();
    for await (const tag of this.#tags(name, after)) if (tag > after) removed.add(tag);
    if (removed.size === 0) return;
    for (const tag of await this.#existing(name)) removed.delete(tag);
    yield* [...removed].sort();
  }

  async *all(name: RepositoryName): AsyncIterable<TagHistory> {
    for await (const { tag, entries } of this.#stored(name)) yield { tag, entries: distinctEntries(entries) };
  }

  /** Also removes the entries that only repeat an older one. */
  async prune(name: RepositoryName, bounds: HistoryBounds): Promise<number> {
    let existing: ReadonlySet<Tag> | undefined;
    let pruned = 0;
    for await (const { tag, entries } of this.#stored(name)) {
      const [newest] = entries;
      // Only a crash leaves a removed tag without an entry for the removal.
      const mayBeRemoved = newest?.kind === "pointed" && newest.at < Date.now() - bounds.keptMilliseconds;
      if (mayBeRemoved) existing ??= await this.#existing(name);
      const isRemoved = mayBeRemoved ? existing?.has(tag) === false : undefined;
      pruned += await this.#pruneTag(name, tag, entries, bounds, isRemoved);
    }
    return pruned;
  }

  /** Removes the whole history of a tag. */
  async remove(name: RepositoryName, tag: Tag): Promise<void> {
    await this.#deleteAll(this.client.list(keys.historyOf(name, tag)));
  }

  /** Removes the histories of all tags of a repository. */
  async removeAll(name: RepositoryName): Promise<void> {
    await this.#deleteAll(this.client.list(keys.histories(name)));
  }

  async #pruneTag(
    name: RepositoryName,
    tag: Tag,
    entries: readonly NamedEntry[],
    bounds: HistoryBounds,
    isRemoved?: boolean,
  ): Promise<number> {
    const kept = new Set(keptEntries(distinctEntries(entries), bounds, Date.now(), isRemoved));
    const over = entries.filter((entry) => !kept.has(entry));
    await this.#deleteAll(over.map((entry) => ({ key: keys.historyEntry(name, tag, entry.name) })));
    return over.length;
  }

  async #existing(name: RepositoryName): Promise<ReadonlySet<Tag>> {
    const existing = new Set<Tag>();
    for await (const { name: tag } of this.records.names(keys.tags(name), isTag)) existing.add(tag);
    return existing;
  }

  async #deleteAll(
    objects: Iterable<{ readonly key: string }> | AsyncIterable<{ readonly key: string }>,
  ): Promise<void> {
    let batch: string[] = [];
    for await (const { key } of objects) {
      if (batch.push(key) < removedAtOnce) continue;
      await this.client.deleteAll(batch);
      batch = [];
    }
    if (batch.length > 0) await this.client.deleteAll(batch);
  }

  async #runsOf(name: RepositoryName, tag: Tag): Promise<Run[]> {
    const runs: Run[] = [];
    for await (const entry of this.#entries(name, tag)) {
      const newer = runs.at(-1);
      if (newer?.entry.kind !== entry.kind || newer.entry.digest !== entry.digest)
        runs.push({ entry, nonces: [entry.nonce] });
      else {
        newer.entry = entry;
        newer.nonces.push(entry.nonce);
      }
    }
    return runs;
  }

  /** Yields the newest entries, newest first. */
  async *#entries(name: RepositoryName, tag: Tag): AsyncGenerator<NamedEntry, void> {
    let listed = 0;
    for await (const { key } of this.client.list(keys.historyOf(name, tag))) {
      const entry = this.#parse(key);
      if (entry !== undefined) yield entry;
      if (++listed === listedMax) return;
    }
  }

  /** Yields the newest entries of all tags, a thousand for each request. */
  async *#stored(
    name: RepositoryName,
  ): AsyncGenerator<{ readonly tag: Tag; readonly entries: NamedEntry[] }, void> {
    const prefix = keys.histories(name);
    let group: { readonly tag: Tag; readonly entries: NamedEntry[] } | undefined;
    for await (const { key } of this.client.list(prefix)) {
      const tag = key.slice(prefix.length, key.lastIndexOf("/"));
      const entry = isTag(tag) ? this.#parse(key) : undefined;
      if (!isTag(tag) || entry === undefined) continue;
      if (group?.tag !== tag) {
        if (group !== undefined) yield group;
        group = { tag, entries: [] };
      }
      if (group.entries.length < listedMax) group.entries.push(entry);
    }
    if (group !== undefined) yield group;
  }

  #parse(key: string): NamedEntry | undefined {
    const entry = parseEntryName(lastOf(key));
    if (entry === undefined) this.records.onStray(key, "not an entry of a tag's history");
    return entry;
  }

  /** Yields the tags that have a history, without most of those up to `after`. */
  async *#tags(name: RepositoryName, after: string): AsyncGenerator<Tag, void> {
    const prefix = keys.histories(name);
    const start = after === "" ? "" : `${prefix}${after}`;
    for await (const folder of this.client.listFolders(prefix, start)) {
      const tag = folder.slice(prefix.length, -1);
      if (isTag(tag)) yield tag;
      else this.records.onStray(folder, "not a tag");
    }
  }
}
