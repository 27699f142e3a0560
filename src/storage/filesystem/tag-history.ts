/** Reads and prunes the histories of tags. `FileTags` adds the entries. */
import { isDigest } from "../../domain/digest.js";
import { isTag, type Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import {
  type HistoryBounds,
  keptEntries,
  type TagEntry,
  type TagHistory,
  withCurrent,
} from "../../domain/tag-history.js";
import { batchesOf } from "../../lib/batches.js";
import { entriesAmong, type NamedEntry } from "../entry-name.js";
import type { HistoryStore } from "../storage.js";
import type { CheckedFiles } from "./checked-files.js";
import { removeIfEmpty, removeIfThere } from "./files.js";
import type { Layout } from "./layout.js";
import { type Surveyor, tagLooksMax } from "./surveyor.js";

interface StoredHistory extends TagHistory {
  readonly entries: readonly NamedEntry[];
  readonly isRemoved: boolean;
  /** Whether the tag was removed before, so that it has a folder among the removed ones. */
  readonly hasEarlier: boolean;
}

export class FileHistory implements HistoryStore {
  constructor(
    readonly layout: Layout,
    readonly checkedFiles: CheckedFiles,
    readonly surveyor: Surveyor,
  ) {}

  async *list(name: RepositoryName, tag: Tag): AsyncIterable<TagEntry> {
    const { layout, checkedFiles, surveyor } = this;
    const [[look], own, earlier] = await Promise.all([
      surveyor.lookAtTags(layout.tags(name), [tag]),
      checkedFiles.entries(layout.tag(name, tag)),
      checkedFiles.entries(layout.removedTag(name, tag)),
    ]);
    const digest = look?.pointer.trim() ?? "";
    const current = isDigest(digest) ? { digest, pushedAt: look?.pushedAt ?? 0 } : undefined;
    // A crash during a removal leaves entries in both.
    yield* withCurrent(entriesAmong(new Set([...(own ?? []), ...(earlier ?? [])])), current);
  }

  async *removed(name: RepositoryName, after = ""): AsyncIterable<Tag> {
    const histories = await this.#tagsIn(this.layout.removedTags(name));
    if (histories.length === 0) return;
    const existing = new Set(await this.#tagsIn(this.layout.tags(name)));
    yield* histories.filter((tag) => tag > after && !existing.has(tag)).sort();
  }

  async *all(name: RepositoryName): AsyncIterable<TagHistory> {
    for await (const { tag, entries } of this.#stored(name)) if (entries.length > 0) yield { tag, entries };
  }

  async prune(name: RepositoryName, bounds: HistoryBounds): Promise<number> {
    const [own, earlier] = [this.layout.tags(name), this.layout.removedTags(name)];
    const now = Date.now();
    let pruned = 0;
    for await (const { tag, entries, isRemoved, hasEarlier } of this.#stored(name)) {
      const kept = new Set(keptEntries(entries, bounds, now, isRemoved));
      for (const entry of entries) {
        if (kept.has(entry)) continue;
        // No other folder: a path through one that was not checked might lead outside.
        for (const folder of [...(isRemoved ? [] : [own]), ...(hasEarlier ? [earlier] : [])])
          await removeIfThere(`${folder}/${tag}/${entry.name}`);
        pruned++;
      }
      if (hasEarlier && kept.size === 0) await removeIfEmpty(`${earlier}/${tag}`);
    }
    return pruned;
  }

  /** Yields the entries of all tags, from the folders of tags and of removed ones. */
  async *#stored(name: RepositoryName): AsyncGenerator<StoredHistory, void> {
    const { layout, surveyor } = this;
    const [own, earlier] = [layout.tags(name), layout.removedTags(name)];
    const existing = new Set(await this.#tagsIn(own));
    const removed = new Set(await this.#tagsIn(earlier));
    for (const batch of batchesOf([...new Set([...existing, ...removed])], tagLooksMax)) {
      const [ofOwn, ofEarlier] = await Promise.all([
        surveyor.entryNames(own, batch),
        removed.size === 0 ? [] : surveyor.entryNames(earlier, batch),
      ]);
      for (const [index, tag] of batch.entries()) {
        const names = new Set([...(ofOwn[index] ?? []), ...(ofEarlier[index] ?? [])]);
        const entries = entriesAmong(names);
        yield { tag, entries, isRemoved: !existing.has(tag), hasEarlier: removed.has(tag) };
      }
    }
  }

  async #tagsIn(folder: string): Promise<Tag[]> {
    return ((await this.checkedFiles.entries(folder)) ?? []).filter(isTag);
  }
}
