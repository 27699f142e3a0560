/**
 * Follows a blob that another node is fetching: reads the slices that it stores, so that clients of this node get bytes
 * meanwhile. The other node's notes are only hints. The last byte waits until the storage has the blob; bytes that are not
 * known to be the blob's are compared with it.
 */
import { RegistryError } from "../domain/errors.js";
import type { Turns } from "../lib/turns.js";
import type { BlobReader, SliceStore } from "../storage/storage.js";
import type { GrowingBlob } from "./growing-blob.js";
import { type Progress, parseProgress } from "./progress.js";

/** Reads of the stored blob. */
const readBytes = 2 * 1024 * 1024;

export class Following {
  #growing: GrowingBlob | undefined;
  #progress: Progress | undefined;
  /** Bytes of the attempt in `#progress` that have been added. */
  #position = 0;
  #pulling: Promise<void> | undefined;
  #hasStopped = false;

  constructor(
    readonly slices: SliceStore,
    /** Slices in memory at once. */
    readonly turns: Turns,
    /** Returns the blob for the clients, which is held until this ends it; `undefined` if too many are being followed. */
    readonly begin: (size: number) => GrowingBlob | undefined,
  ) {}

  note(text: string): void {
    const progress = parseProgress(text);
    if (progress === undefined || this.#hasStopped) return;
    try {
      this.#growing ??= this.begin(progress.size);
    } catch {
      // Without a scratch file, clients wait until the storage has the blob.
      this.#hasStopped = true;
    }
    if (this.#growing === undefined) return;
    if (this.#growing.size !== progress.size) {
      this.#break(new RegistryError("upstream-failed", "two answers with the same blob differ in size"));
      return;
    }
    if (progress.fetch !== this.#progress?.fetch) this.#position = 0;
    this.#progress = progress;
    this.#pulling ??= this.#pull(this.#growing).finally(() => {
      this.#pulling = undefined;
    });
  }

  async #pull(growing: GrowingBlob): Promise<void> {
    while (!this.#hasStopped) {
      const { fetch, stored } = this.#progress ?? { fetch: "", stored: 0 };
      const position = this.#position;
      if (position >= stored) return;
      await this.turns.begin();
      try {
        // A slice that is gone or cannot be read: the next note tries again, and in the end there is the blob itself.
        const bytes = await this.slices.read(fetch, position).catch(() => undefined);
        if (bytes === undefined || bytes.length === 0) return;
        await growing.addAt(position, bytes);
        if (this.#progress?.fetch === fetch) this.#position = position + bytes.length;
      } catch (error) {
        return this.#break(error);
      } finally {
        this.turns.end();
      }
    }
  }

  /** Breaks the connections of clients that follow. Others wait until the storage has the blob. */
  #break(error: unknown): void {
    this.#hasStopped = true;
    this.#growing?.fail(error instanceof Error ? error : new Error(String(error)));
    this.#growing = undefined;
  }

  /** Stops following. Returns the blob, which a fetch of this node then continues. */
  async handOver(): Promise<GrowingBlob | undefined> {
    await this.#stop();
    const growing = this.#growing;
    this.#growing = undefined;
    return growing;
  }

  /** Stops following, because the fetch has failed. */
  async fail(error: unknown): Promise<void> {
    await this.#stop();
    this.#break(error);
  }

  /** Stops following, because the storage has the blob. Reads the rest from there. */
  async finish(open: () => Promise<BlobReader | undefined>): Promise<void> {
    await this.#stop();
    const growing = this.#growing;
    if (growing === undefined) return;
    try {
      await this.#addRest(growing, open);
      growing.verified();
      this.#growing = undefined;
    } catch (error) {
      this.#break(error);
    }
  }

  async #addRest(growing: GrowingBlob, open: () => Promise<BlobReader | undefined>): Promise<void> {
    const reader = await open();
    try {
      if (reader?.size !== growing.size)
        throw new RegistryError("storage-unavailable", "a blob has been replaced or removed meanwhile");
      // Bytes of an attempt that did not become the blob are compared with it.
      let position = this.#progress?.isVerified === true ? this.#position : 0;
      const bytes = Buffer.allocUnsafeSlow(Math.min(readBytes, growing.size));
      while (position < growing.size) {
        const read = await reader.read(bytes, position);
        if (read === 0) throw new RegistryError("storage-failed", "a stored blob is too short");
        await growing.addAt(position, bytes.subarray(0, read));
        position += read;
      }
    } finally {
      await reader?.close();
    }
  }

  async #stop(): Promise<void> {
    this.#hasStopped = true;
    await this.#pulling;
  }
}
