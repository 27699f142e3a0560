/** An upload whose bytes are in a file. A worker holds the open file and the running hash. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { Algorithm, Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { SessionId } from "../../domain/session-id.js";
import type { Affinity } from "../../lib/affine-pool.js";
import type { SlabPart } from "../../lib/slab-pool.js";
import { noSpans, type Spans } from "../../lib/spans.js";
import type { Commit, Tail, Upload, UploadTimes } from "../storage.js";
import type { FileBlobs } from "./blobs.js";
import { ifThere, removeIfThere } from "./files.js";
import { journaledBytesMax } from "./journal/record.js";
import type { MovedUploads } from "./moved-uploads.js";
import type { RecordFiles } from "./record-files.js";
import { storageError } from "./storage-errors.js";
import { losesUpload, type WorkerPool } from "./worker-pool.js";
import type { UploadFiles, UploadPlace } from "./worker-protocol.js";

export interface FileUploadParts {
  readonly workers: WorkerPool;
  readonly blobs: FileBlobs;
  readonly recordFiles: RecordFiles;
  /** Absent if there are no other processes. */
  readonly moved?: MovedUploads | undefined;
}

export class FileUpload implements Upload {
  #isLost = false;
  /** The sealed upload, if some of its bytes are not in the page cache. */
  #cold: { readonly size: number; readonly cachedBytes: number } | undefined;
  /** Set while a worker of another process may hold the upload. */
  #elsewhere: MovedUploads | undefined;
  /** While that process closes it. Later calls must not overtake the first one, which waits for this. */
  #taking: Promise<void> | undefined;

  constructor(
    readonly id: SessionId,
    readonly files: UploadFiles,
    public algorithm: Algorithm,
    readonly name: RepositoryName,
    readonly parts: FileUploadParts,
    /** The worker that holds it, if any. */
    readonly affinity: Affinity = {},
    /** Whether another process had it until now. */
    wasElsewhere = false,
  ) {
    this.#elsewhere = wasElsewhere ? parts.moved : undefined;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  async append(part: SlabPart, offset: number, isLast = false): Promise<UploadTimes> {
    const taking = this.#takeHere();
    if (taking !== undefined) await taking;
    const { id: session, files, algorithm } = this;
    if (offset <= journaledBytesMax && offset + part.length > journaledBytesMax)
      this.parts.blobs.prepare(this.name);
    if (isLast) this.#gather(offset + part.length);
    return this.#watch(this.parts.workers.append({ session, files, algorithm, offset, part }, this.affinity));
  }

  /** Small blobs that come together go to one worker, whose journal makes them durable with one sync. */
  #gather(bytes: number): void {
    if (bytes <= journaledBytesMax && this.parts.blobs.journal !== undefined) this.affinity.isGathered = true;
  }

  async seal(expected: Digest, tail: Tail): Promise<UploadTimes> {
    return (await this.#seal(expected, tail, undefined, undefined)).times;
  }

  async commit(name: RepositoryName, digest: Digest, tail?: Tail, spans: Spans = noSpans): Promise<Commit> {
    const { blobs, recordFiles } = this.parts;
    const bytes = tail === undefined ? Number.POSITIVE_INFINITY : tail.offset + (tail.part?.length ?? 0);
    this.#gather(bytes);
    const commit =
      tail !== undefined && bytes <= journaledBytesMax && blobs.journal !== undefined
        ? await blobs.during(name, digest, (generation) =>
            this.#commit(name, digest, tail, spans, generation),
          )
        : await this.#commit(name, digest, tail, spans, undefined);
    const linkedFile = this.files.record?.linkedFile;
    if (linkedFile !== undefined) recordFiles.give(linkedFile);
    return commit;
  }

  async #commit(
    name: RepositoryName,
    digest: Digest,
    tail: Tail | undefined,
    spans: Spans,
    journal: number | undefined,
  ): Promise<Commit> {
    const { blobs, workers } = this.parts;
    const isJournaled = journal !== undefined;
    if (!isJournaled) blobs.prepare(name);
    const place = blobs.placeFor(this.files, name, digest);
    let times: UploadTimes | undefined;
    let placedBytes: number | undefined;
    if (tail !== undefined) ({ times, placedBytes } = await this.#seal(digest, tail, place, journal));
    else if (place !== undefined)
      placedBytes = await spans.during("link", () => this.#watch(workers.place(place)));
    const state = { checked: true, placedBytes, isJournaled };
    const healed = await blobs.commit(this.files, name, digest, state, spans);
    if (this.#cold !== undefined) blobs.bypassed(name, digest, this.#cold);
    return { healed, times };
  }

  /** Seals the upload. Rejects with `digest-mismatch`. If `placedBytes` is set, the file has its names in `place`. */
  async #seal(
    expected: Digest,
    { offset, part }: Tail,
    place: UploadPlace | undefined,
    journal: number | undefined,
  ) {
    const { id: session, files, algorithm } = this;
    const elsewhere = part === undefined ? this.#elsewhere : undefined;
    const sealed = await elsewhere?.sealElsewhere({ session, algorithm, offset, expected, place, journal });
    if (sealed === undefined) await this.#takeHere();
    const { digest, times, placedBytes, directBytes } =
      sealed ??
      (await this.#watch(
        this.parts.workers.seal(
          { session, files, algorithm, offset, part, expected, place, journal },
          this.affinity,
        ),
      ));
    if (digest !== expected)
      throw new RegistryError("digest-mismatch", "the bytes of the blob do not match the digest", {
        expected,
        actual: digest,
      });
    const size = offset + (part?.length ?? 0);
    if (directBytes > 0) this.#cold = { size, cachedBytes: size - directBytes };
    return { times, placedBytes };
  }

  /** From here on, a worker of this process continues the upload. */
  #takeHere(): Promise<void> | undefined {
    const elsewhere = this.#elsewhere;
    this.#elsewhere = undefined;
    if (elsewhere !== undefined)
      this.#taking = elsewhere
        .closeElsewhere(this.id)
        .catch((error: unknown) => {
          this.#isLost = true;
          throw error;
        })
        .finally(() => {
          this.#taking = undefined;
        });
    return this.#taking;
  }

  /** Leaves the upload to another process, with the running hash in the worker until that is known to be of no use. */
  async release(): Promise<void> {
    const { moved, recordFiles } = this.parts;
    // Otherwise the process that has the hash still keeps it: only one may seal.
    if (this.#elsewhere === undefined) moved?.keep(this.id, this.files, this.affinity);
    const linkedFile = this.files.record?.linkedFile;
    if (linkedFile !== undefined) await recordFiles.lose(linkedFile);
  }

  async #watch<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (losesUpload(error)) this.#isLost = true;
      throw error;
    }
  }

  /** Appended bytes survive a crash of the process, and only a seal promises more. */
  async flush(): Promise<void> {}

  async truncate(bytes: number): Promise<number> {
    // A seal by another process may have failed.
    await this.#takeHere();
    // Not through the worker, which must not forget which writes were lost.
    const isTruncated = await truncateFile(this.files.file, bytes).catch((error: unknown) => {
      throw storageError(error);
    });
    if (isTruncated) return bytes;
    this.#isLost = true;
    throw new RegistryError("storage-failed", "the upload cannot be continued: begin it again");
  }

  async abort(): Promise<void> {
    await this.#takeHere()?.catch(() => {});
    await this.parts.workers.forget(this.id, this.affinity);
    await removeUpload(this.files, this.parts.recordFiles).catch((error: unknown) => {
      throw storageError(error);
    });
  }
}

/**
 * Returns whether the file has its first `bytes` only. False if a commit that failed later has made it a blob, whose bytes must stay,
 * or if it has fewer.
 */
async function truncateFile(file: string, bytes: number): Promise<boolean> {
  const handle = await ifThere(open(file, constants.O_WRONLY | constants.O_NOFOLLOW));
  if (handle === undefined) return false;
  try {
    const { nlink, size } = await handle.stat();
    if (nlink > 1 || size < bytes) return false;
    await handle.truncate(bytes);
    return true;
  } finally {
    await handle.close();
  }
}

/** Removes the files of an upload. Ignores missing ones. */
export async function removeUpload({ file, record }: UploadFiles, recordFiles: RecordFiles): Promise<void> {
  // In this order: a crash in between must not leave a session that has lost its bytes.
  if (record !== undefined) await removeIfThere(record.file);
  await removeIfThere(file);
  if (record?.linkedFile !== undefined) await recordFiles.lose(record.linkedFile);
}
