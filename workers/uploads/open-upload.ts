/**
 * An upload as its worker holds it: an open file and the running hash of all that is in it. It can be
 * made again from the file at any time, so losing it (a restart, a worker that died, eviction) costs a
 * read at page-cache speed and nothing else.
 */
import { closeSync, constants, ftruncateSync, openSync } from "node:fs";
import type { Algorithm, Digest } from "../../src/domain/digest.js";
import { digestOf } from "../../src/domain/digest.js";
import { type Hasher, newHasher } from "../../src/domain/hash.js";
import { now } from "../../src/lib/clock.js";
import type { UploadFiles, WorkerSetup } from "../../src/storage/filesystem/worker-protocol.js";
import { hashFile } from "./hash-file.js";
import { putRecord } from "./session-record.js";
import { UploadFile } from "./upload-file.js";

/**
 * Bytes between two starts of write-back, so that the sync at the end of a long upload finds little to do: small
 * enough that the disk begins while a layer of some MiB still comes (docs/decisions/0027). One such sync runs at a
 * time and the upload never waits for it.
 */
const writeBackBytes = 8 * 1024 * 1024;

export class OpenUpload {
  /** When bytes were hashed last, by the clock of all threads; 0 where none were. */
  hashedAt = 0;
  #written: number;
  #writeBackFrom: number;
  #writeBack: Promise<void> | undefined;
  #writeBackError: NodeJS.ErrnoException | undefined;

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

  /** Opens the upload to go on at `offset`: reads what is there, cuts off what is beyond. */
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
      ftruncateSync(descriptor, offset);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    const file = new UploadFile(files.file, descriptor, setup);
    return new OpenUpload(file, algorithm, hasher, offset, setup.durable);
  }

  /** What a write-back has failed with: what was written is not all there, though the file reads as if it were. */
  get writeBackError(): NodeJS.ErrnoException | undefined {
    return this.#writeBackError;
  }

  get offset(): number {
    return this.#written;
  }

  /** Adds bytes; they may be used again when this resolves. Written by another thread while this one hashes. */
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
      // The kernel reports a failed write-back once: it is kept for the seal, which must not succeed after it.
      .catch((error: NodeJS.ErrnoException) => {
        this.#writeBackError = error;
      })
      .finally(() => {
        this.#writeBack = undefined;
      });
  }

  /** Ends the upload: its digest in the algorithm of `expected`, its data on stable storage if that is wanted. */
  async seal(expected: Algorithm): Promise<Digest> {
    const hasher = expected === this.algorithm ? this.hasher : await newHasher(expected);
    if (hasher !== this.hasher) {
      await hashAgain(this.file.descriptor, hasher, this.#written);
      this.hashedAt = now();
    }
    const digest = digestOf(expected, hasher.hex());
    await this.#writeBack;
    if (this.#writeBackError !== undefined) throw this.#writeBackError;
    if (this.durable) await this.file.sync();
    return digest;
  }

  /** Lets go of the file. Waits for what still runs on it: the kernel may give its number to another. */
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
  throw Object.assign(new Error("the upload has fewer bytes than it had"), { code: "EIO" });
}
