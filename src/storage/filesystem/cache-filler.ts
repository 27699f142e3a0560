/**
 * Brings blobs that bypassed the page cache at their upload into it while the disk is idle: it reads them, and the kernel
 * keeps the bytes. Only blobs that leave most of the free memory to others (docs/decisions/0057).
 */

import type { FileHandle } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { type ColdBlob, coldBlobsMax } from "./cold-blobs.js";

export interface CacheFillerOptions {
  /** Opens the file for reading; `undefined` if it was removed. */
  readonly open: (file: string) => Promise<FileHandle | undefined>;
  /** Whether a push or pull uses the disk at the moment. */
  readonly isDiskBusy: () => boolean;
  /** In bytes. */
  readonly freeMemory: () => Promise<number>;
  readonly onError: (error: unknown) => void;
}

/** A blob may take this part of the free memory. */
const shareOfFreeMemory = 1 / 4;

const pieceBytes = 1024 * 1024;

/**
 * Each window is read through a descriptor of its own. The kernel reads sequential files ahead in ever larger pages, up to 2
 * MiB. In a virtual machine that returns free memory to its host, such a page is often one that the host must provide first:
 * a GiB took 2.2 s of CPU time through one descriptor, 0.25 s through one per window.
 */
const windowBytes = 32 * 1024 * 1024;

/** The disk is idle if it is so at this many looks in a row. */
const idleLooks = 5;
const lookEveryMilliseconds = 20;

export class CacheFiller {
  readonly #waiting = new Set<ColdBlob>();
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(readonly options: CacheFillerOptions) {}

  add(blob: ColdBlob): void {
    if (this.#closing.signal.aborted) return;
    // A server that is never idle fills nothing.
    const [oldest] = this.#waiting;
    if (oldest !== undefined && this.#waiting.size >= coldBlobsMax) this.#waiting.delete(oldest);
    this.#waiting.add(blob);
    this.#start();
  }

  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#waiting.size > 0 && !this.#closing.signal.aborted) this.#start();
    });
  }

  /** For tests: resolves when all blobs that fit are in the page cache. */
  async filled(): Promise<void> {
    await this.#running;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (const blob of this.#waiting) {
      try {
        await this.#fill(blob);
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        this.options.onError(error);
      } finally {
        this.#waiting.delete(blob);
      }
    }
  }

  async #fill(blob: ColdBlob): Promise<void> {
    const piece = Buffer.allocUnsafeSlow(pieceBytes);
    while (blob.cachedBytes < blob.size) {
      await this.#idle();
      if (blob.size > (await this.options.freeMemory()) * shareOfFreeMemory) return;
      const handle = await this.options.open(blob.file);
      if (handle === undefined) return;
      try {
        const end = Math.min(blob.size, blob.cachedBytes + windowBytes);
        if (!(await this.#fillWindow(blob, handle, piece, end))) return;
      } finally {
        await handle.close();
      }
    }
  }

  /** Returns false if the file ends early. */
  async #fillWindow(blob: ColdBlob, handle: FileHandle, piece: Buffer, end: number): Promise<boolean> {
    while (blob.cachedBytes < end) {
      if (this.options.isDiskBusy()) await this.#idle();
      const startedAt = performance.now();
      const length = Math.min(piece.length, end - blob.cachedBytes);
      const { bytesRead } = await handle.read(piece, 0, length, blob.cachedBytes);
      if (bytesRead === 0) return false;
      blob.cachedBytes += bytesRead;
      // Half of the time at most, so that requests that need no disk are not slowed down either.
      await this.#pause(performance.now() - startedAt);
    }
    return true;
  }

  async #idle(): Promise<void> {
    for (let looks = 0; looks < idleLooks; looks++) {
      await this.#pause(lookEveryMilliseconds);
      if (this.options.isDiskBusy()) looks = -1;
    }
  }

  /** Rejects when the filler is closed. */
  #pause(milliseconds: number): Promise<void> {
    return pause(milliseconds, undefined, { signal: this.#closing.signal });
  }
}
