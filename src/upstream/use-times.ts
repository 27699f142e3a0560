/**
 * When each cached manifest and blob was last pulled, by digest: content that several repositories share is used if any of
 * them is. In memory, and in a note that is saved from time to time and when the server stops. Several nodes merge their times
 * in the note.
 */
import { LRUCache } from "lru-cache";
import type { Digest } from "../domain/digest.js";
import { entriesMax } from "../lib/lru-bound.js";
import type { NoteStore } from "../storage/storage.js";

/** About 100 bytes each in memory and 12 in the note. */
const digestsMax = 300_000;

const note = "upstream-uses";

/** Start of the note: type and version. */
const heading = Buffer.from("gantry uses 1\n");
/** Whether the process stopped in order, and the time that counts for unknown digests. */
const fixedBytes = 1 + 8;
/** A hash and a time in seconds. */
const entryBytes = 12;

export class UseTimes {
  /** Milliseconds since the epoch, by hash of the digest. */
  readonly #last: LRUCache<number, number>;
  /** Counts for content whose use is unknown: the latest time at which that could have been used, as far as is known. */
  #unknownAt: number;
  #changes = 0;
  #savedChanges = 0;

  constructor(readonly max = digestsMax) {
    this.#unknownAt = Date.now();
    this.#last = new LRUCache({
      ...entriesMax(max),
      dispose: (at, _, reason) => {
        if (reason === "evict") this.#unknownAt = Math.max(this.#unknownAt, at);
      },
    });
  }

  note(digest: Digest, at = Date.now()): void {
    this.#last.set(hashOf(digest), at);
    this.#changes++;
  }

  /** Returns milliseconds since the epoch. */
  lastOf(digest: Digest): number {
    return this.#last.peek(hashOf(digest)) ?? this.#unknownAt;
  }

  /**
   * Restores what an earlier process saved. If that crashed, or there is no note, content of unknown use counts as used now:
   * it may have been fetched shortly before the crash.
   */
  async restore(notes: NoteStore): Promise<void> {
    const saved = decode(await notes.read(note));
    if (saved === undefined) return;
    this.#merge(saved);
    if (saved.isComplete) this.#unknownAt = saved.unknownAt;
  }

  /** Adds the times that other nodes have saved. */
  async refresh(notes: NoteStore): Promise<void> {
    this.#merge(decode(await notes.read(note)));
  }

  /** Stores the times if there are new ones. `isLast` tells that no use follows: the process stops. */
  async save(notes: NoteStore, isLast = false): Promise<void> {
    const changes = this.#changes;
    if (changes === this.#savedChanges && !isLast) return;
    await this.refresh(notes);
    await notes.put(note, this.#encode(isLast));
    this.#savedChanges = changes;
  }

  #merge(saved: Saved | undefined): void {
    for (const [hash, at] of saved?.entries ?? [])
      if (at > (this.#last.peek(hash) ?? 0)) this.#last.set(hash, at);
  }

  #encode(isComplete: boolean): Buffer {
    const bytes = Buffer.alloc(heading.length + fixedBytes + this.#last.size * entryBytes);
    heading.copy(bytes);
    let at = bytes.writeUInt8(isComplete ? 1 : 0, heading.length);
    at = bytes.writeDoubleLE(this.#unknownAt, at);
    // From the least to the most recently used, so that reading it back gives the same order.
    for (const [hash = 0, used = 0] of this.#last.rentries()) {
      at = bytes.writeDoubleLE(hash, at);
      at = bytes.writeUInt32LE(Math.floor(used / 1000), at);
    }
    return bytes;
  }
}

interface Saved {
  readonly isComplete: boolean;
  readonly unknownAt: number;
  readonly entries: readonly (readonly [hash: number, at: number])[];
}

/** Returns `undefined` for bytes that have another format. */
function decode(bytes: Buffer | undefined): Saved | undefined {
  const start = heading.length + fixedBytes;
  if (bytes === undefined || bytes.length < start) return undefined;
  if (!bytes.subarray(0, heading.length).equals(heading)) return undefined;
  const unknownAt = bytes.readDoubleLE(heading.length + 1);
  if (!Number.isFinite(unknownAt) || (bytes.length - start) % entryBytes !== 0) return undefined;
  const entries: [number, number][] = [];
  for (let at = start; at < bytes.length; at += entryBytes)
    entries.push([bytes.readDoubleLE(at), bytes.readUInt32LE(at + 8) * 1000]);
  return { isComplete: bytes[heading.length] === 1, unknownAt, entries };
}

/** The first 52 bits of the digest. Two digests that share them share the later use. */
function hashOf(digest: Digest): number {
  const start = digest.indexOf(":") + 1;
  return Number.parseInt(digest.slice(start, start + 13), 16);
}
