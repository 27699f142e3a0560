/**
 * An upload as its worker holds it: an open file and the running hash of its bytes. It can be rebuilt from the file at any
 * time, so losing it (restart, death of the worker, eviction) costs one read at page-cache speed.
 */
import { closeSync, constants, ftruncateSync, openSync, readSync } from "node:fs";
import type { Algorithm, Digest } from "../../src/domain/digest.js";
import { digestOf } from "../../src/domain/digest.js";
import { type Hasher, newHasher } from "../../src/domain/hash.js";
import { now } from "../../src/lib/clock.js";
import type { UploadFiles, WorkerSetup } from "../../src/storage/filesystem/worker-protocol.js";
import { hashFile } from "./hash-file.js";
import { putRecord } from "./session-record.js";
import { UploadFile } from "./upload-file.js";

/**
 * Starts write-back after this many bytes, so that the final sync of a long upload finds little to do. Small enough that the
 * disk starts while a layer of a few MiB is still arriving (docs/decisions/0027). One such sync runs at a time, and the
 * upload does not wait for it.
 */
const writeBackBytes = 8 * 1024 * 1024;

/** Bytes that were written may not be on the disk, although reading the file shows them. */
export type LostWrites = NodeJS.ErrnoException & { readonly isLost: true };

export class OpenUpload {
  /** When bytes were last hashed, by the clock that all threads share; 0 if none were. */
  hashedAt = 0;
  #written: number;
  #writeBackFrom: number;
  #writeBack: Promise<void> | undefined;
  #writeBackError: LostWrites | undefined;

  private constructor(
    readonly file: UploadFile,
    readonly algorithm: Algorithm,
    readonly hasher: Hasher,
    offset: number,
    readonly durable: boolean,
  ) {
    this.#written = offset;
    this.#writeBackFrom = offset;
  }

  /** Opens the upload to continue at `offset`: hashes the bytes before it and truncates the rest. */
  static async at(
    files: UploadFiles,
    algorithm: Algorithm,
    offset: number,
    setup: WorkerSetup,
  ): Promise<OpenUpload> {
    const hasher = await newHasher(algorithm);
    const descriptor =
      offset === 0 ? create(files) : openSync(files.file, constants.O_RDWR | constants.O_NOFOLLOW);
    try {
      await hashAgain(descriptor, hasher, offset);
      if (offset > 0) ftruncateSync(descriptor, offset);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    const file = new UploadFile(files.file, descriptor, setup);
    return new OpenUpload(file, algorithm, hasher, offset, setup.durable);
  }

  /** The error of a failed write-back or sync. */
  get writeBackError(): LostWrites | undefined {
    return this.#writeBackError;
  }

  get offset(): number {
    return this.#written;
  }

  /** Appends bytes, which may be reused when this resolves. Another thread writes them while this one hashes. */
  async append(bytes: Uint8Array): Promise<void> {
    const writing = this.file.write(bytes, this.#written);
    this.#written += bytes.length;
    this.hasher.update(bytes);
    this.hashedAt = now();
    await writing;
    if (
      this.durable &&
      this.#writeBack === undefined &&
      this.#written - this.#writeBackFrom >= writeBackBytes
    ) {
      this.#startWriteBack();
    }
  }

  #startWriteBack(): void {
    this.#writeBackFrom = this.#written;
    this.#writeBack = this.file
      .sync()
      .catch((error: NodeJS.ErrnoException) => this.#lose(error))
      .finally(() => {
        this.#writeBack = undefined;
      });
  }

  /** The kernel reports a failed write-back once. Keep the error: no seal must succeed after it. */
  #lose(error: NodeJS.ErrnoException): void {
    this.#writeBackError = Object.assign(error, { isLost: true } as const);
  }

  /** Returns the digest of all bytes in the algorithm. */
  async digest(expected: Algorithm): Promise<Digest> {
    const hasher = expected === this.algorithm ? this.hasher : await newHasher(expected);
    if (hasher !== this.hasher) {
      await hashAgain(this.file.descriptor, hasher, this.#written);
      this.hashedAt = now();
    }
    return digestOf(expected, hasher.hex());
  }

  /** Resolves when the bytes are on stable storage, if the store is durable. */
  async sync(): Promise<void> {
    await this.#writeBack;
    if (this.durable && this.#writeBackError === undefined)
      await this.file.sync().catch((error: NodeJS.ErrnoException) => this.#lose(error));
    if (this.#writeBackError !== undefined) throw this.#writeBackError;
  }

  /** Returns all bytes of a small upload. */
  read(): Buffer {
    const bytes = Buffer.allocUnsafe(this.#written);
    for (let done = 0; done < bytes.length; ) {
      const got = readSync(this.file.descriptor, bytes, done, bytes.length - done, done);
      if (got === 0) throw fewerBytes();
      done += got;
    }
    return bytes;
  }

  /** Closes the file. Waits for operations that still use the descriptor, since the kernel may reuse its number. */
  async close(): Promise<void> {
    await this.#writeBack;
    this.file.close();
  }
}

function create(files: UploadFiles): number {
  if (files.record !== undefined) putRecord(files.record);
  return openSync(
    files.file,
    constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
  );
}

async function hashAgain(descriptor: number, hasher: Hasher, length: number): Promise<void> {
  if ((await hashFile(descriptor, hasher, length)) === length) return;
  throw fewerBytes();
}

function fewerBytes(): Error {
  return Object.assign(new Error("the upload has fewer bytes than it had"), { code: "EIO" });
}
