import type { Digest } from "../../domain/digest.js";
import type { HistoryBounds, TagEntry } from "../../domain/tag-history.js";

/**
 * File operations that a worker performs in one message. Done separately, each would cost a round trip to another thread,
 * which is more than most of them take (docs/decisions/0026). Steps run in order up to the first that fails; earlier effects
 * remain. In a durable store, bytes that were written or copied and names that were synced are on stable storage before the
 * next step.
 */
export type FileStep =
  /** A new file; the name is not on stable storage. */
  | { readonly do: "write"; readonly file: string; readonly bytes: Uint8Array | string }
  | { readonly do: "copy"; readonly from: string; readonly to: string }
  /** Adds a link to a file; copies it if it has the maximum number of links. */
  | { readonly do: "link"; readonly from: string; readonly to: string }
  | { readonly do: "make folder"; readonly folder: string }
  | { readonly do: "sync folder"; readonly folder: string }
  /** With `replaces`, `to` may be a folder with entries, which are removed. */
  | { readonly do: "rename"; readonly from: string; readonly to: string; readonly replaces?: true }
  /**
   * Renames a complete file, unless a file with the same bytes is in its place: another process may have put it there since its
   * caller looked, and tags are links to it. Two that do so within microseconds leave those tags with a copy, which is harmless.
   */
  | { readonly do: "place"; readonly from: string; readonly to: string }
  /** Ignores a missing file. */
  | { readonly do: "remove"; readonly file: string }
  /** A new file without bytes; the name is not on stable storage. */
  | { readonly do: "mark"; readonly file: string }
  /** Sets the time of modification, in milliseconds since the epoch, which is not on stable storage. */
  | { readonly do: "touch"; readonly file: string; readonly at: number }
  | MovePointer
  | KeepHistory;

/** Adds an entry to the history in a tag's folder, and removes those beyond the bounds. */
interface AddEntry {
  /** Its time is later if the clock has gone back. */
  readonly entry: TagEntry;
  readonly bounds: HistoryBounds;
}

/** Renames `from` to the tag's pointer, with an entry for it, and one for `current` if that has none yet. */
export interface MovePointer extends AddEntry {
  readonly do: "move pointer";
  readonly from: string;
  readonly folder: string;
  readonly current: Digest | undefined;
}

/** Adds the entries of the folder `from`, if it exists, to the folder `to`, which it creates. */
export interface KeepHistory extends AddEntry {
  readonly do: "keep history";
  readonly from: string;
  readonly to: string;
}

/** How long each sync took, in milliseconds. */
export interface SyncTimes {
  readonly files: number[];
  readonly folders: number[];
}

/** Rejects with the system's error. */
export type DoSteps = (steps: readonly FileStep[]) => Promise<void>;
