/** The history of a tag: what it pointed to, since when, and who changed that. */
import type { Digest } from "./digest.js";
import type { Tag } from "./reference.js";

/** One change of a tag. It is never modified. */
export interface TagEntry {
  readonly kind: "pointed" | "removed";
  /** The new target; of a removal, the last one. Absent only of the removal of a damaged tag. */
  readonly digest?: Digest;
  /** In milliseconds since the epoch. */
  readonly at: number;
  /** Who did it; absent if unknown. A long name ends in `…`. */
  readonly by?: string;
}

export interface TagHistory {
  readonly tag: Tag;
  /** Newest first. */
  readonly entries: readonly TagEntry[];
}

/** Who changes a tag when no client does. Subjects of clients are `anonymous` or have a colon. */
export type OwnActor = "operator" | "import" | "retention" | "verify" | `upstream:${string}`;

/** How much of a tag's history is kept. */
export interface HistoryBounds {
  /** Number of entries, with that of the current target. No history is kept if it is zero. */
  readonly entriesMax: number;
  /** Time for which an entry is kept after the next change, in milliseconds. */
  readonly keptMilliseconds: number;
}

/** Bounds that keep nothing. */
export const noHistory: HistoryBounds = { entriesMax: 0, keptMilliseconds: 0 };

/** Makes a change of a tag an entry of its history. */
export interface TagNote {
  /** Who changes it. */
  readonly by: string;
  /** Entries beyond these bounds may be dropped on this occasion. */
  readonly bounds: HistoryBounds;
}

/**
 * Returns those of a tag's entries that are kept, both newest first. The age of an entry counts from the next change on: a
 * target is needed most when the tag has just left it, however long it was there. The last entry of a removed tag has no next
 * change, so its own time counts.
 */
export function keptEntries<T extends TagEntry>(
  entries: readonly T[],
  { entriesMax, keptMilliseconds }: HistoryBounds,
  now: number,
  isRemoved = entries[0]?.kind === "removed",
): T[] {
  const oldest = now - keptMilliseconds;
  const kept: T[] = [];
  for (const [index, entry] of entries.slice(0, entriesMax).entries()) {
    const endedAt = index > 0 ? entries[index - 1]?.at : isRemoved ? entry.at : undefined;
    if (endedAt !== undefined && endedAt < oldest) break;
    kept.push(entry);
  }
  return kept;
}

/**
 * Returns the entries, newest first, without those that point the tag to the target that it already had: the oldest tells
 * since when and by whom.
 */
export function distinctEntries<T extends TagEntry>(entries: readonly T[]): T[] {
  return entries.filter((entry, index) => {
    const before = entries[index + 1];
    return before === undefined || before.kind !== entry.kind || before.digest !== entry.digest;
  });
}

/** Returns the last `count` targets that the tag had before `current`. */
export function previousTargets(
  entries: readonly TagEntry[],
  current: Digest | undefined,
  count: number,
): Digest[] {
  const targets = new Set(entries.flatMap(({ digest }) => digest ?? []));
  if (current !== undefined) targets.delete(current);
  return [...targets].slice(0, count);
}

/** Returns the entries, newest first, beginning with the tag's current target even if its entry is missing. */
export function withCurrent(
  entries: readonly TagEntry[],
  current: { readonly digest: Digest; readonly pushedAt: number } | undefined,
): readonly TagEntry[] {
  const [newest] = entries;
  if (current === undefined) return entries;
  if (newest?.kind === "pointed" && newest.digest === current.digest) return entries;
  return [{ kind: "pointed", digest: current.digest, at: current.pushedAt }, ...entries];
}
