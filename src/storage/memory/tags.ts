import type { Digest } from "../../domain/digest.js";
import { holds } from "../../domain/precondition.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { keptEntries, type TagEntry, type TagNote } from "../../domain/tag-history.js";
import type { PointCondition, PointResult, TagPush, TagStore, TagTarget, TimedTag } from "../storage.js";
import type { MemoryData, StoredTag } from "./memory-data.js";

/** Every method decides and writes in one turn of the event loop, so that none needs a lock. */
export class MemoryTags implements TagStore {
  constructor(readonly data: MemoryData) {}

  #find(name: RepositoryName, tag: Tag): StoredTag | undefined {
    return this.data.repositories.get(name)?.tags.get(tag);
  }

  async resolve(name: RepositoryName, tag: Tag): Promise<Digest | undefined> {
    return this.#find(name, tag)?.digest;
  }

  async inspect(name: RepositoryName, tag: Tag): Promise<TagTarget | undefined> {
    const found = this.#find(name, tag);
    return found && targetOf(tag, found);
  }

  async mend(): Promise<void> {}

  async point(
    name: RepositoryName,
    tag: Tag,
    digest: Digest,
    { movable, precondition }: PointCondition,
    { pushedAt = Date.now(), note }: TagPush = {},
  ): Promise<PointResult> {
    const { tags } = this.data.made(name);
    const found = tags.get(tag);
    if (precondition !== undefined && !holds(precondition, found?.digest, digest))
      return "precondition-failed";
    if (!movable && found?.digest !== undefined && found.digest !== digest) return "immovable";
    tags.set(tag, { ...found, digest, pushedAt });
    if (found?.digest !== digest) this.#note(name, tag, { kind: "pointed", digest }, note, found);
    return "pointed";
  }

  #note(
    name: RepositoryName,
    tag: Tag,
    change: Pick<TagEntry, "kind" | "digest">,
    note: TagNote | undefined,
    before: StoredTag | undefined,
  ): void {
    if (note === undefined) return;
    const { history } = this.data.made(name);
    let entries = history.get(tag) ?? [];
    // The tag was pointed when no history was kept.
    if (before?.digest !== undefined && entries[0]?.digest !== before.digest)
      entries = [{ kind: "pointed", digest: before.digest, at: before.pushedAt }, ...entries];
    const at = Math.max(Date.now(), (entries[0]?.at ?? 0) + 1);
    entries = [{ ...change, at, by: note.by }, ...entries];
    history.set(tag, keptEntries(entries, note.bounds, at));
  }

  async *targets(name: RepositoryName, tags?: readonly Tag[]): AsyncIterable<TagTarget> {
    for (const [tag, found] of this.#those(name, tags)) yield targetOf(tag, found);
  }

  async *times(name: RepositoryName, tags?: readonly Tag[]): AsyncIterable<TimedTag> {
    for (const [tag, { pushedAt, pulledAt }] of this.#those(name, tags))
      yield { tag, times: { pushedAt, pulledAt } };
  }

  /** Returns those of `tags`, or of all, that exist. */
  #those(name: RepositoryName, tags?: readonly Tag[]): (readonly [Tag, StoredTag])[] {
    const all = this.data.repositories.get(name)?.tags ?? new Map<Tag, StoredTag>();
    return (tags ?? [...all.keys()]).flatMap((tag) => {
      const found = all.get(tag);
      return found === undefined ? [] : [[tag, found] as const];
    });
  }

  async setPulledAt(name: RepositoryName, tag: Tag, at: number): Promise<void> {
    const found = this.#find(name, tag);
    if (found !== undefined) this.data.made(name).tags.set(tag, { ...found, pulledAt: at });
  }

  async remove(name: RepositoryName, tag: Tag, note?: TagNote): Promise<boolean> {
    const repository = this.data.repositories.get(name);
    const found = repository?.tags.get(tag);
    if (repository === undefined || found === undefined) return false;
    repository.tags.delete(tag);
    if (note === undefined) repository.history.delete(tag);
    else {
      const { digest } = found;
      this.#note(name, tag, { kind: "removed", ...(digest !== undefined && { digest }) }, note, found);
    }
    return true;
  }

  async list(name: RepositoryName): Promise<Tag[] | undefined> {
    const repository = this.data.repositories.get(name);
    return repository?.listed ? [...repository.tags.keys()].sort() : undefined;
  }
}

function targetOf(tag: Tag, { digest }: StoredTag): TagTarget {
  return digest === undefined ? { tag } : { tag, digest };
}
