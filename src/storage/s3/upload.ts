/** An upload whose bytes are on their way to an object store. A worker holds the running hash and the unsent bytes. */
import type { Algorithm, Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { SessionId } from "../../domain/session-id.js";
import type { Affinity } from "../../lib/affine-pool.js";
import { assert } from "../../lib/assert.js";
import type { SlabPart } from "../../lib/slab-pool.js";
import type { Commit, Tail, Upload, UploadTimes } from "../storage.js";
import { nonce, type S3Client } from "./client.js";
import { onStore } from "./failure.js";
import { keys } from "./keys.js";
import type { Removals } from "./removals.js";
import { parseUpload, receivedOf, type StoredUpload, serializeUpload } from "./upload-state.js";
import { type S3WorkerPool, UploadTaken } from "./worker-pool.js";
import type { S3Task } from "./worker-protocol.js";

export interface S3UploadParts {
  readonly client: S3Client;
  readonly workers: S3WorkerPool;
  readonly removals: Removals;
}

export interface S3UploadOptions {
  /** The serialized record of the session; absent if the upload need not survive a crash. */
  readonly record: string | undefined;
  readonly algorithm: Algorithm;
  readonly inChunks: boolean;
}

/** A stored upload, with its version. */
export interface Version {
  readonly etag: string;
  readonly stored: StoredUpload;
}

export class S3Upload implements Upload {
  algorithm: Algorithm;
  #affinity: Affinity = {};
  /** The version of the stored upload that this node has read or written. */
  #etag: string | undefined;
  /** The stored upload, until a worker holds it. */
  #stored: StoredUpload | undefined;
  /** Whether another node has continued the upload. */
  #isTaken = false;
  #isLost = false;

  constructor(
    readonly id: SessionId,
    readonly parts: S3UploadParts,
    readonly options: S3UploadOptions,
    version?: Version,
  ) {
    this.algorithm = options.algorithm;
    this.#etag = version?.etag;
    this.#stored = version?.stored;
  }

  get isLost(): boolean {
    return this.#isLost || this.#isTaken;
  }

  async append(part: SlabPart, offset: number): Promise<UploadTimes> {
    const { times } = await this.#run({ kind: "append", ...this.#common(), offset, part });
    assert(times !== undefined, "an append returns its times");
    return times;
  }

  async flush(offset: number): Promise<void> {
    const { record } = this.options;
    if (record === undefined) return;
    const etag = this.#etag;
    this.#etag = (await this.#run({ kind: "flush", ...this.#common(), offset, record, etag })).etag;
  }

  async seal(expected: Digest, { offset, part }: Tail): Promise<UploadTimes> {
    const { digest, times } = await this.#run({ kind: "seal", ...this.#common(), offset, part, expected });
    checkDigest(expected, digest);
    assert(times !== undefined, "a seal returns its times");
    return times;
  }

  async commit(name: RepositoryName, expected: Digest, tail?: Tail): Promise<Commit> {
    const { offset, part } = tail ?? { offset: 0, part: undefined };
    const task = { kind: "commit", ...this.#common(), offset, part, expected, name } as const;
    const { digest, healed, times } = await this.#run(task);
    checkDigest(expected, digest);
    if (this.#etag !== undefined) this.parts.removals.add(keys.upload(this.id));
    return { healed: healed === true, times };
  }

  async truncate(bytes: number): Promise<number> {
    const rewind = () => this.#run({ kind: "rewind", ...this.#common(), offset: bytes });
    if ((await rewind()).offset === bytes) return bytes;
    // Only what was stored at the end of a request can be reached: its parts cannot be cut.
    await this.parts.workers.forget(this.id, false, this.#affinity);
    this.#affinity = {};
    const version = await onStore(() => readUpload(this.parts.client, this.id));
    if (version === undefined || version.etag !== this.#etag || receivedOf(version.stored) > bytes) {
      this.#isLost = true;
      throw new RegistryError("storage-failed", "the upload cannot be continued: begin it again");
    }
    this.#stored = version.stored;
    return receivedOf(version.stored);
  }

  /** Removes nothing if another node has continued the upload: its parts are in the same multipart upload. */
  async abort(): Promise<void> {
    const { client, workers } = this.parts;
    let ended: StoredUpload | undefined;
    let isOwn = false;
    try {
      if (this.#etag !== undefined && !this.#isTaken) ended = await onStore(() => this.#end());
      isOwn = !this.#isTaken;
    } finally {
      await workers.forget(this.id, isOwn, this.#affinity);
    }
    if (ended !== undefined) await onStore(() => removeStored(client, this.id, ended));
  }

  /** Stores that nobody may continue the upload, and resolves with it, unless another node has continued it. */
  async #end(): Promise<StoredUpload | undefined> {
    const { client } = this.parts;
    const found = await readUpload(client, this.id);
    if (found !== undefined && found.etag === this.#etag) {
      const ended = { ...found.stored, hash: undefined, rest: new Uint8Array(), ended: true };
      const body = serializeUpload(ended, nonce());
      if (await client.put(keys.upload(this.id), body, { ifMatch: found.etag })) return ended;
    }
    this.#isTaken = true;
    return undefined;
  }

  /** Releases the worker's memory. The upload continues from what was stored at the end of the last request. */
  async release(): Promise<void> {
    await this.parts.workers.forget(this.id, false, this.#affinity);
  }

  #common() {
    const { id: session, algorithm } = this;
    const stored = this.#stored;
    this.#stored = undefined;
    return { session, algorithm, inChunks: this.options.inChunks, stored };
  }

  async #run(task: S3Task) {
    try {
      return await this.parts.workers.run(task, this.#affinity);
    } catch (error) {
      if (error instanceof UploadTaken) this.#isTaken = true;
      throw error;
    }
  }
}

function checkDigest(expected: Digest, actual: Digest | undefined): void {
  if (actual === expected) return;
  throw new RegistryError("digest-mismatch", "the bytes of the blob do not match the digest", {
    expected,
    actual,
  });
}

/** Resolves with the stored upload; `undefined` if there is none that can be read. Rejects with `S3Failure`. */
export async function readUpload(
  client: S3Client,
  id: SessionId,
): Promise<(Version & { readonly modifiedAt: number }) | undefined> {
  const found = await client.get(keys.upload(id));
  const stored = found && parseUpload(found.bytes);
  return found && stored && { etag: found.etag, modifiedAt: found.modifiedAt, stored };
}

/** Removes a stored upload and its parts. Ignores a missing one. Rejects with `S3Failure`. */
export async function removeUpload(client: S3Client, id: SessionId): Promise<void> {
  await removeStored(client, id, (await readUpload(client, id))?.stored);
}

async function removeStored(
  client: S3Client,
  id: SessionId,
  stored: StoredUpload | undefined,
): Promise<void> {
  const sent = stored?.sent;
  // In this order: a crash in between must not leave parts that nothing names.
  if (sent !== undefined) await client.abortMultipart(sent.key, sent.id);
  await client.delete(keys.upload(id));
}
