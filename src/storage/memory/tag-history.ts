/** The history of tags, in memory. */
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import {
  type HistoryBounds,
  keptEntries,
  type TagEntry,
  type TagHistory,
  withCurrent,
} from "../../domain/tag-history.js";
import type { HistoryStore } from "../storage.js";
import type { MemoryData } from "./memory-data.js";

export class MemoryHistory implements HistoryStore {
  constructor(readonly data: MemoryData) {}

  async *list(name: RepositoryName, tag: Tag): AsyncIterable<TagEntry> {
    const repository = this.data.repositories.get(name);
    const found = repository?.tags.get(tag);
    const digest = found?.digest;
    const current = found && digest && { digest, pushedAt: found.pushedAt };
    yield* withCurrent(repository?.history.get(tag) ?? [], current);
  }

  async *removed(name: RepositoryName, after = ""): AsyncIterable<Tag> {
    const repository = this.data.repositories.get(name);
    for (const tag of [...(repository?.history.keys() ?? [])].sort())
      if (tag > after && repository?.tags.has(tag) === false) yield tag;
  }

  async *all(name: RepositoryName): AsyncIterable<TagHistory> {
    for (const [tag, entries] of this.data.repositories.get(name)?.history ?? []) yield { tag, entries };
  }

  async prune(name: RepositoryName, bounds: HistoryBounds): Promise<number> {
    const repository = this.data.repositories.get(name);
    let removed = 0;
    for (const [tag, entries] of repository?.history ?? []) {
      const kept = keptEntries(entries, bounds, Date.now(), repository?.tags.has(tag) === false);
      removed += entries.length - kept.length;
      if (kept.length === 0) repository?.history.delete(tag);
      else repository?.history.set(tag, kept);
    }
    return removed;
  }
}
