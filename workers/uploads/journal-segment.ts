/**
 * One of the two segments of a worker's journal. It is filled with zeros step by step and then reused, so that writing to it
 * overwrites allocated blocks: the sync of a group then flushes data, and no metadata of the file system.
 */
import { closeSync, constants, fdatasync, fstatSync, fsync, ftruncateSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { writeAll } from "./write.js";

const syncFile = promisify(fdatasync);
const syncFolder = promisify(fsync);

/** At least 60 records. A start after a crash reads at most two segments of each worker. */
const segmentBytes = 32 * 1024 * 1024;
/** It grows by as much as it has, between these. */
const stepBytesMin = 256 * 1024;
const stepBytesMax = 1024 * 1024;

export class JournalSegment {
  #used = 0;
  #allocated: number;
  #bytesMax = segmentBytes;
  #isNamed: boolean;
  /** The highest generation of its records. */
  generation = 0;
  /**
   * A group whose write or sync failed: its sequence numbers until they are cancelled, and the system's error code. Nobody
   * knows what is on the disk then, so the segment is not written to until its records are done.
   */
  failed: { sequences: readonly number[]; readonly code: string } | undefined;

  private constructor(
    readonly path: string,
    readonly descriptor: number,
  ) {
    this.#allocated = fstatSync(descriptor).size;
    this.#isNamed = this.#allocated > 0;
  }

  static async open(path: string): Promise<JournalSegment> {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const segment = new JournalSegment(path, openSync(path, flags, 0o600));
    try {
      // So that deletions find room if the disk is full later.
      await segment.allocate(stepBytesMin);
    } catch {
      // It is full already: the first group tries again.
    }
    return segment;
  }

  get used(): number {
    return this.#used;
  }

  get isHalfFull(): boolean {
    return this.failed !== undefined || this.#used > this.#bytesMax / 2;
  }

  hasRoom(bytes: number): boolean {
    return this.failed === undefined && this.#used + bytes <= this.#bytesMax;
  }

  /** Starts it again, when none of its records is needed any more. */
  restart(): void {
    if (this.#allocated > segmentBytes) {
      ftruncateSync(this.descriptor, segmentBytes);
      this.#allocated = segmentBytes;
    }
    this.#used = 0;
    this.#bytesMax = segmentBytes;
    this.generation = 0;
    this.failed = undefined;
  }

  /** Allocates room for a group. Returns false if the disk has none, but the segment has records that make room when done. */
  async allocate(bytes: number): Promise<boolean> {
    const end = this.#used + bytes;
    if (end <= this.#allocated) return true;
    const step = Math.min(Math.max(this.#allocated, stepBytesMin), stepBytesMax);
    const zeros = Buffer.alloc(Math.ceil((end - this.#allocated) / step) * step);
    try {
      await writeAll(this.descriptor, zeros, this.#allocated);
    } catch (error) {
      if (this.#used === 0 && bytes > this.#allocated) throw error;
      this.#bytesMax = this.#allocated;
      return end <= this.#allocated;
    }
    this.#allocated += zeros.length;
    return true;
  }

  /** Appends a group, which is on stable storage when this resolves. Returns the milliseconds that the sync took. */
  async append(group: Buffer, generation: number, sequences: readonly number[]): Promise<number> {
    this.generation = Math.max(this.generation, generation);
    try {
      // By another thread: any write waits while ext4 commits, 5 ms on average with 32 clients.
      await writeAll(this.descriptor, group, this.#used);
      const startedAt = performance.now();
      await syncFile(this.descriptor);
      if (!this.#isNamed) await this.#syncName();
      this.#used += group.length;
      return performance.now() - startedAt;
    } catch (error) {
      this.failed = { sequences, code: (error as NodeJS.ErrnoException).code ?? "EIO" };
      throw error;
    }
  }

  async #syncName(): Promise<void> {
    const folder = openSync(dirname(this.path), "r");
    try {
      await syncFolder(folder);
      this.#isNamed = true;
    } finally {
      closeSync(folder);
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
