/** An upload whose bytes are on their way to an object store. A worker holds the running hash and the unsent bytes. */
import type { Algorithm, Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { SessionId } from "../../domain/session-id.js";
import type { Affinity } from "../../lib/affine-pool.js";
import { assert } from "../../lib/assert.js";
import { now } from "../../lib/clock.js";
import type { SlabPart } from "../../lib/slab-pool.js";
import type { Commit, Tail, Upload, UploadTimes } from "../storage.js";
import { nonce, type S3Client } from "./client.js";
import { ifTooLarge, onStore } from "./failure.js";
import { keys } from "./keys.js";
import type { Removals } from "./removals.js";
import {
  earlySeconds,
  parseEarly,
  parseUpload,
  receivedOf,
  type StoredUpload,
  serializeUpload,
} from "./upload-state.js";
import { type S3WorkerPool, UploadTaken } from "./worker-pool.js";
import type { UploadStep } from "./worker-protocol.js";

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
  /** Absent if it is early data, which has one version. */
  readonly etag: string | undefined;
  readonly stored: StoredUpload;
  /** Whether another node may still have the upload, and make its early data a content. */
  readonly isShared?: boolean;
}

export class S3Upload implements Upload {
  algorithm: Algorithm;
  #affinity: Affinity = {};
  /** The version of the stored upload that this node has read or written. */
  #etag: string | undefined;
  /** The stored upload, until a worker holds it. */
  #stored: StoredUpload | undefined;
  /** The number of bytes of the stored upload; `undefined` if there is none. */
  #storedBytes: number | undefined;
  /** Whether no worker holds the upload, and it has to be read from the store again. */
  #isReset = false;
  /** While it is read, and afterwards: tasks that wait for it must stay in order with later ones. */
  #reloading: Promise<void> | undefined;
  /** Whether another node has continued the upload. */
  #isTaken = false;
  #isLost = false;
  /** Whether there is, or may be, early data that belongs to this node alone. */
  #hasEarly: boolean;
  /** Whether another node, or a content, may have early data of this upload, which therefore cannot be removed. */
  #leavesEarly: boolean;
  /** Whether nobody else can have completed its parts, and made them a content. */
  #isAlone: boolean;
  /** Whether a commit was tried, after which a content may name the data. */
  #wasCommitted = false;

  constructor(
    readonly id: SessionId,
    readonly parts: S3UploadParts,
    readonly options: S3UploadOptions,
    version?: Version,
  ) {
    this.algorithm = options.algorithm;
    this.#etag = version?.etag;
    this.#stored = version?.stored;
    this.#storedBytes = version && receivedOf(version.stored);
    this.#hasEarly = version?.stored.early !== undefined;
    this.#leavesEarly = version?.isShared === true;
    this.#isAlone = version === undefined || version.stored.isAlone === true;
  }

  get isLost(): boolean {
    return this.#isLost || this.#isTaken;
  }

  get isShared(): boolean {
    return this.#leavesEarly || !this.#isAlone;
  }

  get isOnlyHere(): boolean {
    return this.#wasCommitted && this.#hasEarly;
  }

  async append(part: SlabPart, offset: number): Promise<UploadTimes> {
    const { times } = await this.#run({ kind: "append", offset, part });
    assert(times !== undefined, "an append returns its times");
    return times;
  }

  async flush(offset: number): Promise<void> {
    const { record } = this.options;
    if (record === undefined) return;
    const etag = this.#etag;
    const mayBeEarly = etag === undefined && !this.options.inChunks && !this.#hasEarly;
    // An attempt that fails may have stored it.
    this.#hasEarly ||= mayBeEarly;
    const said = await this.#run({ kind: "flush", offset, record, etag, mayBeEarly });
    this.#etag = said.etag;
    this.#hasEarly = said.isEarly === true;
    this.#storedBytes = offset;
  }

  async seal(expected: Digest, { offset, part }: Tail): Promise<UploadTimes> {
    const { digest, times } = await this.#run({ kind: "seal", offset, part, expected });
    checkDigest(expected, digest);
    assert(times !== undefined, "a seal returns its times");
    return times;
  }

  async commit(name: RepositoryName, expected: Digest, tail?: Tail): Promise<Commit> {
    const { offset, part } = tail ?? { offset: 0, part: undefined };
    this.#wasCommitted = true;
    const { digest, healed, times } = await this.#run({ kind: "commit", offset, part, expected, name });
    if (digest !== expected) this.#wasCommitted = false;
    checkDigest(expected, digest);
    // The blob is stored. A mark that cannot be written leaves an upload that nobody asks for.
    if (this.#leavesEarly) await this.#mark().catch(() => {});
    else if (this.#etag !== undefined) this.parts.removals.add(keys.upload(this.id));
    return { healed: healed === true, times };
  }

  async truncate(bytes: number): Promise<number> {
    if (!this.#isReset && (await this.#rewinds(bytes))) {
      // Nothing has been shared: then the worker would hold sealed data, which cannot be rewound.
      this.#wasCommitted = false;
      return bytes;
    }
    await this.#reset();
    // Only what was stored at the end of a request can be reached: its parts cannot be cut.
    if (this.#storedBytes === undefined || this.#storedBytes > bytes) throw this.#lost();
    return this.#storedBytes;
  }

  /** Resolves with whether the worker still has what it needs to go on after the first `bytes`. */
  #rewinds(bytes: number): Promise<boolean> {
    return this.#run({ kind: "rewind", offset: bytes }).then(
      ({ offset }) => offset === bytes,
      () => false,
    );
  }

  /**
   * Drops what the worker holds. The upload is read from the store when the next request needs it: a store that has just failed
   * should not keep the client waiting.
   */
  async #reset(): Promise<void> {
    this.#isReset = true;
    this.#reloading = undefined;
    this.#stored = undefined;
    if (this.#wasCommitted) {
      this.#isAlone = false;
      this.#leavesEarly ||= this.#hasEarly;
    }
    // Parts that were sent since then would take space until they are swept.
    await this.parts.workers.forget(this.id, "unstored", this.#affinity).then(
      () => {
        this.#affinity = {};
      },
      () => {},
    );
  }

  #lost(): RegistryError {
    this.#isLost = true;
    return new RegistryError("storage-failed", "the upload cannot be continued: begin it again");
  }

  /** Resolves when a worker can continue the upload. */
  async #reloaded(): Promise<void> {
    if (this.#isReset)
      this.#reloading ??= this.#reload().finally(() => {
        if (this.#isReset) this.#reloading = undefined;
      });
    await this.#reloading;
  }

  async #reload(): Promise<void> {
    const version = await onStore(() => readUpload(this.parts.client, this.id));
    if (version?.etag !== this.#etag || version === undefined) throw this.#lost();
    if (receivedOf(version.stored) !== this.#storedBytes) throw this.#lost();
    const { early: _, ...others } = version.stored;
    const known = this.#leavesEarly ? { ...others, leavesEarly: true } : version.stored;
    this.#stored = { ...known, isAlone: this.#isAlone, mayBeCompleted: this.#wasCommitted };
    this.#isReset = false;
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
      await workers.forget(this.id, isOwn ? "all" : "nothing", this.#affinity);
    }
    if (!isOwn) return;
    await onStore(async () => {
      if (ended !== undefined) await abortParts(client, ended);
      if (this.#leavesEarly || (this.#hasEarly && this.#wasCommitted)) await this.#mark();
      else if (ended !== undefined) await client.delete(keys.upload(this.id));
      else if (this.#hasEarly) await client.delete(keys.early(this.id));
    });
  }

  /** Stores that nobody may continue the upload, and resolves with it, unless another node has continued it. */
  async #end(): Promise<StoredUpload | undefined> {
    const { client } = this.parts;
    const found = await readUpload(client, this.id);
    if (found?.etag !== undefined && found.etag === this.#etag) {
      const ended = { ...found.stored, hash: undefined, rest: new Uint8Array(), ended: true };
      const body = serializeUpload(ended, nonce());
      if (await client.put(keys.upload(this.id), body, { ifMatch: found.etag })) return ended;
    }
    this.#isTaken = true;
    return undefined;
  }

  /** Stores that the upload has ended where its early data has to stay, until both are removed with abandoned uploads. */
  async #mark(): Promise<void> {
    const { record = "" } = this.options;
    const ended = { record, sent: undefined, hash: undefined, hex: "", rest: new Uint8Array(), ended: true };
    await this.parts.client.put(keys.upload(this.id), serializeUpload(ended, nonce()));
  }

  /** Releases the worker's memory. The upload continues from what was stored at the end of the last request. */
  async release(): Promise<void> {
    await this.parts.workers.forget(this.id, "nothing", this.#affinity);
  }

  async #run(task: UploadStep) {
    if (this.#isReset || this.#reloading !== undefined) await this.#reloaded();
    const { id: session, algorithm } = this;
    const stored = this.#stored;
    this.#stored = undefined;
    const { inChunks } = this.options;
    try {
      return await this.parts.workers.run({ ...task, session, algorithm, inChunks, stored }, this.#affinity);
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

/** Early data is smaller. */
const earlyBytesMax = 5 * 1024 * 1024;

interface ReadUpload extends Version {
  readonly modifiedAt: number;
}

/** Resolves with the stored upload; `undefined` if there is none that can be read. Rejects with `S3Failure`. */
export async function readUpload(client: S3Client, id: SessionId): Promise<ReadUpload | undefined> {
  const found = await client.get(keys.upload(id));
  if (found === undefined) return readEarly(client, id);
  const stored = parseUpload(found.bytes);
  return stored && { etag: found.etag, modifiedAt: found.modifiedAt, stored };
}

async function readEarly(client: S3Client, id: SessionId): Promise<ReadUpload | undefined> {
  const key = keys.early(id);
  const found = await client.get(key, earlyBytesMax).catch(ifTooLarge);
  const stored = found && parseEarly(found.bytes, found.note);
  if (found === undefined || stored === undefined) return undefined;
  const { etag, modifiedAt, answeredAt, bytes } = found;
  // Both times are of the store's clock, in whole seconds.
  const usedBefore = now() + earlySeconds * 1000 - (answeredAt - modifiedAt) - 2000;
  const early = { key, size: bytes.length, etag, usedBefore };
  return { etag: undefined, modifiedAt, stored: { ...stored, early } };
}

/** Removes a stored upload and its parts. Ignores a missing one. Rejects with `S3Failure`. */
export async function removeUpload(client: S3Client, id: SessionId): Promise<void> {
  const found = await client.get(keys.upload(id));
  const stored = found && parseUpload(found.bytes);
  // In this order: a crash in between must not leave parts that nothing names.
  if (stored !== undefined) await abortParts(client, stored);
  await client.delete(keys.upload(id));
}

async function abortParts(client: S3Client, { sent }: StoredUpload): Promise<void> {
  if (sent !== undefined) await client.abortMultipart(sent.key, sent.id);
}
