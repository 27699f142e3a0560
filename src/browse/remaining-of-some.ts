/** How long some tags of a repository stay. Only the rules that keep the last tags need the other tags, too. */
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { type RemainingRetention, Retention, type TagPolicy } from "../gc/retention.js";
import type { Pieces } from "../lib/pieces.js";
import type { TagEntry } from "./tag-table.js";

export class RemainingOfSome {
  readonly found = new Map<Tag, RemainingRetention>();
  /** Tags whose place among the last ones counts. */
  readonly #placed = new Set<Tag>();
  readonly #now = Date.now();

  /** `pulledAt` is when this node was last asked for a tag. */
  constructor(
    readonly policy: TagPolicy,
    readonly name: RepositoryName,
    readonly pulledAt: (tag: Tag) => number | undefined,
  ) {}

  /** Adds a tag. Nothing is known of one without a time: it is never removed. */
  add(entry: TagEntry): void {
    const ruling = this.#rulingOf(entry);
    if (typeof ruling !== "string" && entry.pushedAt === 0) return;
    if (typeof ruling !== "string" && (ruling.keepLast ?? 0) > 0) this.#placed.add(entry.tag);
    else this.#find(entry, new Retention(this.#now));
  }

  get isIncomplete(): boolean {
    return this.#placed.size > 0;
  }

  /** Finds the rest. `newestFirst` are all tags of the repository. */
  async complete(newestFirst: () => Promise<readonly TagEntry[]>, pieces: Pieces): Promise<void> {
    const all = await newestFirst();
    const retention = new Retention(this.#now);
    await pieces.begin();
    for (const entry of all) {
      if (pieces.step()) await pieces.begin();
      if (!this.#placed.delete(entry.tag)) retention.pass(this.#rulingOf(entry));
      else this.#find(entry, retention);
      if (this.#placed.size === 0) return;
    }
  }

  #find(entry: TagEntry, retention: Retention): void {
    const { tag, pushedAt } = entry;
    const pulledAt = this.pulledAt(tag) ?? entry.pulledAt;
    this.found.set(tag, retention.next(this.#rulingOf(entry), { pushedAt, pulledAt }));
  }

  #rulingOf(entry: TagEntry) {
    return entry.rulingOf(this.policy, this.name);
  }
}
