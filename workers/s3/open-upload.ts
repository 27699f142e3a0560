/**
 * An upload as its worker holds it: the running hash of its bytes, the parts that are in the store or on the way, and the
 * bytes that no part has yet. Its calls must run one after the other.
 */
import { randomUUID } from "node:crypto";
import type { Algorithm } from "../../src/domain/digest.js";
import type { SessionId } from "../../src/domain/session-id.js";
import { now } from "../../src/lib/clock.js";
import { nonce, type Part, type S3Client } from "../../src/storage/s3/client.js";
import type { Data } from "../../src/storage/s3/contents.js";
import { keys } from "../../src/storage/s3/keys.js";
import {
  type EarlyData,
  earlyNote,
  earlySeconds,
  lineOf,
  type SentPart,
  type SentParts,
  type StoredUpload,
  sentBytes,
} from "../../src/storage/s3/upload-state.js";
import { completed, continueCompleted, continueFrom, isGone, uploadGone } from "./completed-data.js";
import type { HeldPart } from "./held-part.js";
import type { PartBuffers } from "./part-buffers.js";
import { readObject } from "./read-object.js";
import { type HashPoint, importHash, newRunningHash, type RunningHash } from "./running-hash.js";

export interface UploadTools {
  readonly client: S3Client;
  readonly partBytes: number;
  /** Memory for the bytes that an upload stores at the end of a request, and holds on. */
  readonly copies: PartBuffers;
  newPart(): HeldPart;
}

/** The smallest part that may have a successor. */
export const partBytesMin = 5 * 1024 * 1024;

/** S3 allows no more parts. */
const partsMax = 10_000;

/** Numbers of parts that a node leaves to the one before it: 160 MiB at 10 MiB each. */
const partNumberGap = 16;

/** Parts of one upload on the way to the store. */
const sendingMax = 2;

/** The hash of an upload whose parts were hashed elsewhere: known, but it cannot be continued. */
interface KnownHash {
  readonly known: string;
}

export class OpenUpload {
  /** When bytes were last hashed, by the clock that all threads share. */
  hashedAt = now();
  #hash: RunningHash | KnownHash;
  /** The hash where the held bytes begin; absent if it is unknown. */
  #atPart: HashPoint | undefined;
  #held: HeldPart;
  #multipart: { readonly key: string; readonly id: string } | undefined;
  #parts: (SentPart | Promise<SentPart>)[] = [];
  /** The parts that another node may have completed, if they are the first ones. */
  #recovered: SentParts | undefined;
  /** The upload that continues with the bytes of `#recovered`, after another node has completed that one. */
  #continued: Promise<SentParts> | undefined;
  /** Whether an earlier commit may have completed the recovered parts, so that a part would be sent in vain. */
  #mayBeCompleted = false;
  #lastNumber = 0;
  #sentBytes = 0;
  readonly #sending = new Set<Promise<void>>();
  #failure: unknown;
  /** Data that is not needed any more when this upload has been stored or sealed. */
  #leftover: string | undefined;
  /** The bytes of the first request, stored as data. */
  #early: EarlyData | undefined;
  #leavesEarly = false;
  /** Whether no other node can have completed the recovered parts, and made them a content. */
  #isAlone = false;
  /** The multipart upload of the stored upload. */
  #storedMultipart: string | undefined;
  sealed: Data | undefined;
  /** Whether a content may name the sealed data, which therefore must stay. */
  isShared = false;

  private constructor(
    readonly tools: UploadTools,
    readonly algorithm: Algorithm,
    readonly inChunks: boolean,
    hash: RunningHash | KnownHash,
    atPart: HashPoint | undefined,
  ) {
    this.#hash = hash;
    this.#atPart = atPart;
    this.#held = tools.newPart();
  }

  static async begin(tools: UploadTools, algorithm: Algorithm, inChunks: boolean): Promise<OpenUpload> {
    const hash = await newRunningHash(algorithm, inChunks);
    return new OpenUpload(tools, algorithm, inChunks, hash, hash.point());
  }

  /** Continues a stored upload. Hashes nothing: if no bytes come, the stored hash is the one of the blob. */
  static recover(
    tools: UploadTools,
    algorithm: Algorithm,
    inChunks: boolean,
    {
      sent,
      hash,
      hex,
      rest,
      early,
      leavesEarly = false,
      isAlone = false,
      mayBeCompleted = false,
    }: StoredUpload,
  ): OpenUpload {
    const atPart = hashAt(algorithm, inChunks, sent, hash);
    const upload = new OpenUpload(tools, algorithm, inChunks, { known: hex }, atPart);
    upload.#held.append(rest);
    upload.#early = early;
    upload.#leavesEarly = leavesEarly;
    upload.#isAlone = isAlone;
    upload.#mayBeCompleted = mayBeCompleted;
    upload.#multipart = sent && { key: sent.key, id: sent.id };
    upload.#parts = [...(sent?.parts ?? [])];
    upload.#recovered = sent;
    upload.#storedMultipart = sent?.id;
    upload.#sentBytes = sentBytes(sent);
    // The node that has stored it may send parts still, until it notices that it is no longer the owner.
    const last = sent?.parts.at(-1)?.number ?? 0;
    upload.#lastNumber = last === 0 || last > partsMax / 2 ? last : last + partNumberGap;
    return upload;
  }

  /** Whether neither a part was lost, nor the data was sealed: otherwise only the stored upload can be continued. */
  get isUnbroken(): boolean {
    return this.#failure === undefined && this.sealed === undefined;
  }

  get received(): number {
    return this.#sentBytes + this.#held.length;
  }

  /** Appends bytes, which may be reused when this resolves. */
  async append(bytes: Uint8Array): Promise<void> {
    const hash = await this.#runningHash();
    for (let at = 0; at < bytes.length; ) {
      if (this.#held.length === 0) this.#atPart = hash.point();
      const piece = bytes.subarray(at, at + this.tools.partBytes - this.#held.length);
      hash.update(piece);
      this.hashedAt = now();
      this.#held.append(piece);
      at += piece.length;
      if (this.#held.length === this.tools.partBytes) await this.#send();
    }
    this.#checkFailure();
  }

  /** Drops the bytes after `offset`. Returns whether that was possible: parts that have been sent cannot be cut. */
  async rewind(offset: number): Promise<boolean> {
    if (offset === this.received) return true;
    if (offset < this.#sentBytes || offset > this.received || this.#atPart === undefined) return false;
    const hash = await restored(this.#atPart);
    if (hash === undefined) return false;
    if (this.#early !== undefined && offset < this.#early.size)
      this.#early = { ...this.#early, usedBefore: Number.NEGATIVE_INFINITY };
    this.#held.truncate(offset - this.#sentBytes);
    hash.update(this.#held.bytes());
    this.#hash = hash;
    return true;
  }

  /** Returns the hash so far, in hexadecimal. */
  hex(): string {
    return "known" in this.#hash ? this.#hash.known : this.#hash.hex();
  }

  /**
   * Stores the bytes so far under the final key of the data, with what another node needs to continue, unless they are too
   * many: most uploads are closed without further bytes, and then need no other copy.
   */
  async storeEarly(session: SessionId, record: string): Promise<"stored" | "taken" | "too large"> {
    const note = earlyNote(record, this.hex(), nonce());
    if (this.#multipart !== undefined || this.#held.length >= partBytesMin || note === undefined)
      return "too large";
    const condition = { ifNoneMatch: "*" } as const;
    const options = { condition, sha256: this.#checksum(), note };
    const { copies, client } = this.tools;
    return this.#held.lend(Buffer.alloc(0), copies, async (bytes) => {
      const key = keys.early(session);
      const usedBefore = now() + earlySeconds * 1000;
      // Until the store has answered, there may be something to remove, but nothing to use.
      this.#early = { key, size: bytes.length, etag: "", usedBefore: Number.NEGATIVE_INFINITY };
      const stamp = await client.write(key, bytes, options);
      this.#early = stamp && { key, size: bytes.length, etag: stamp.etag, usedBefore };
      return stamp === undefined ? "taken" : "stored";
    });
  }

  /** Waits for the parts on the way, and passes what another node needs to continue to `store`. */
  async stored<T>(record: string, store: (body: Buffer) => Promise<T>): Promise<T> {
    if (this.#held.length >= partBytesMin) await this.#send();
    const sent = await this.#sent();
    const upload = {
      record,
      sent,
      hash: this.#atPart?.exported,
      hex: this.hex(),
      leavesEarly: this.#leavesEarly,
    };
    const done = await this.#held.lend(lineOf(upload, this.#held.length, nonce()), this.tools.copies, store);
    this.#storedMultipart = sent?.id;
    return done;
  }

  async #sent(): Promise<SentParts | undefined> {
    await Promise.all(this.#sending);
    this.#checkFailure();
    return this.#multipart && { ...this.#multipart, parts: await Promise.all(this.#parts) };
  }

  /** Stores the data under its final key. */
  async seal(): Promise<Data> {
    this.sealed ??=
      this.#earlyAsData() ??
      (this.#multipart === undefined ? await this.#putWhole() : await this.#complete());
    return this.sealed;
  }

  /** Returns the early data if it has all bytes, and can become the data of a blob. */
  #earlyAsData(): Data | undefined {
    if (this.#early === undefined || this.#early.size !== this.received) return undefined;
    const { key, size, etag, usedBefore } = this.#early;
    return now() < usedBefore ? { key, size, etag } : undefined;
  }

  /**
   * Returns false, and does nothing, if there are other bytes. Otherwise appends `bytes`, and seals the upload without copying
   * them if they have the hash `hex`.
   */
  async sealWith(bytes: Uint8Array, hex: string): Promise<boolean> {
    if (this.received > 0 || this.#multipart !== undefined || bytes.length > this.tools.partBytes)
      return false;
    const hash = await this.#runningHash();
    hash.update(bytes);
    this.hashedAt = now();
    if (hash.hex() === hex) this.sealed = await this.#put(bytes);
    else this.#held.append(bytes);
    return true;
  }

  async #putWhole(): Promise<Data> {
    return this.#held.release((bytes) => this.#put(bytes));
  }

  async #put(bytes: Uint8Array): Promise<Data> {
    const key = keys.data(randomUUID());
    const stamp = await this.tools.client.write(key, bytes, { sha256: this.#checksum() });
    return { key, size: bytes.length, etag: stamp?.etag ?? "" };
  }

  /** Returns the hash of all bytes in the form that stores check, if they can. */
  #checksum(): string | undefined {
    return this.algorithm === "sha256" ? Buffer.from(this.hex(), "hex").toString("base64") : undefined;
  }

  async #complete(): Promise<Data> {
    if (this.#held.length > 0) await this.#send();
    const sent = await this.#sent();
    if (sent === undefined) throw new Error("invariant broken: there is a multipart upload");
    return this.#completed(sent).catch(async (error: unknown) => {
      if (!isGone(error)) throw error;
      return this.#completed(await this.#continue(sent.id));
    });
  }

  async #completed({ key, id, parts }: SentParts): Promise<Data> {
    const size = this.#sentBytes;
    return { key, size, etag: await this.tools.client.completeMultipart(key, id, parts, size) };
  }

  /** Sends the held bytes as a part. Resolves when another may be sent. */
  async #send(): Promise<void> {
    const { newPart } = this.tools;
    const number = ++this.#lastNumber;
    if (number > partsMax)
      throw Object.assign(
        new Error("the blob has more parts than a store allows: raise storage.s3.chunksize"),
        {
          code: "EFBIG",
        },
      );
    this.#multipart ??= await this.#createMultipart();
    const multipart = this.#multipart;
    const held = this.#held;
    const size = held.length;
    this.#held = newPart();
    this.#sentBytes += size;
    this.#atPart = "known" in this.#hash ? undefined : this.#hash.point();
    const part = held
      .release((bytes) => this.#putPart(multipart, number, bytes))
      .then((sent) => {
        // From now on, the bytes in the store are not those of the recovered parts only.
        if (this.#continued === undefined) this.#recovered = undefined;
        return { ...sent, size };
      });
    this.#parts.push(part);
    const sending: Promise<void> = part
      .then(() => {})
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
    // Nobody may be waiting for it when it fails.
    part.catch(() => {});
    while (this.#sending.size >= sendingMax) await Promise.race(this.#sending);
  }

  async #putPart(to: { key: string; id: string }, number: number, bytes: Uint8Array): Promise<Part> {
    const { client } = this.tools;
    try {
      if (await this.#isCompleted(to)) throw uploadGone();
      return await client.putPart(to.key, to.id, number, bytes);
    } catch (error) {
      if (!isGone(error)) throw error;
      const { key, id } = await this.#continue(to.id);
      return client.putPart(key, id, number, bytes);
    }
  }

  /** Some stores reset the connection of a part for an upload that is gone, instead of saying so. */
  async #isCompleted({ key, id }: { key: string; id: string }): Promise<boolean> {
    if (!this.#mayBeCompleted || this.#recovered?.id !== id) return false;
    return (await this.tools.client.head(key)) !== undefined;
  }

  /**
   * Goes on after another node, or an earlier request, has completed the parts of this upload, unless parts that were sent since were
   * among them.
   */
  #continue(id: string): Promise<SentParts> {
    const recovered = this.#recovered;
    if (recovered?.id !== id) return Promise.reject(uploadGone());
    this.#continued ??= continueCompleted(this.tools.client, recovered, sentBytes(recovered)).then((sent) => {
      this.#multipart = { key: sent.key, id: sent.id };
      this.#parts.splice(0, recovered.parts.length, ...sent.parts);
      return sent;
    });
    return this.#continued;
  }

  async #createMultipart(): Promise<{ key: string; id: string }> {
    const key = keys.data(randomUUID());
    return { key, id: await this.tools.client.createMultipart(key) };
  }

  #checkFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Returns the hash, after reading the upload again if it was hashed elsewhere. */
  async #runningHash(): Promise<RunningHash> {
    if (!("known" in this.#hash)) return this.#hash;
    const hash = (this.#atPart && (await restored(this.#atPart))) ?? (await this.#hashAgain());
    this.#atPart = hash.point();
    hash.update(this.#held.bytes());
    this.#hash = hash;
    return hash;
  }

  /**
   * Hashes the bytes of the parts, which only a completed upload lets read. The parts of the upload that continues are copies
   * within the store.
   */
  async #hashAgain(): Promise<RunningHash> {
    const { client } = this.tools;
    const hash = await newRunningHash(this.algorithm, true);
    const sent = await this.#sent();
    if (sent === undefined) return hash;
    const size = this.#sentBytes;
    await completed(client, sent, size);
    const read = await readObject(client, sent.key, size, (bytes) => hash.update(bytes));
    if (read < size) throw uploadGone();
    const { key, id, parts } = await continueFrom(client, sent.key, size);
    this.#multipart = { key, id };
    this.#parts = [...parts];
    this.#lastNumber = parts.length;
    this.#recovered = undefined;
    // Otherwise the sweep removes it, if it is no content.
    if (this.#isAlone) this.#leftover = sent.key;
    return hash;
  }

  /**
   * Removes the data that the upload no longer needs, now that it has been stored in another form or is a blob. Not before: the stored
   * upload may consist of it.
   */
  async dropLeftover(): Promise<void> {
    const unneeded = [this.#leftover, this.#early?.key].filter((key) => key !== this.sealed?.key);
    this.#leftover = undefined;
    this.#early = undefined;
    for (const key of unneeded) if (key !== undefined) await this.tools.client.delete(key);
  }

  /** Releases the memory. Resolves when no part is on the way. */
  async close(): Promise<void> {
    this.#held.clear();
    await Promise.all(this.#sending);
  }

  /** Removes what is in the store, but is not part of the stored upload. */
  async eraseUnstored(): Promise<void> {
    const { client } = this.tools;
    const multipart = this.#multipart;
    if (this.isShared || (multipart !== undefined && multipart.id === this.#storedMultipart)) return;
    if (this.sealed === undefined) {
      if (multipart !== undefined) await client.abortMultipart(multipart.key, multipart.id);
    } else if (this.sealed.key !== this.#early?.key) await client.delete(this.sealed.key);
  }

  /** Removes what is in the store. */
  async erase(): Promise<void> {
    const { client } = this.tools;
    await this.dropLeftover();
    if (this.sealed !== undefined) {
      if (!this.isShared) await client.delete(this.sealed.key);
    } else if (this.#multipart !== undefined)
      await client.abortMultipart(this.#multipart.key, this.#multipart.id);
  }
}

/** Returns the hash after the parts, or `undefined` if only reading them again gives it. */
function hashAt(
  algorithm: Algorithm,
  inChunks: boolean,
  sent: SentParts | undefined,
  exported: Uint8Array | undefined,
): HashPoint | undefined {
  if (sent === undefined) return { restore: () => newRunningHash(algorithm, inChunks), exported: undefined };
  return exported && { restore: () => importHash(algorithm, exported), exported };
}

/** Resolves with `undefined` if another version of hash-wasm has exported it. */
function restored(point: HashPoint): Promise<RunningHash | undefined> {
  return point.restore().catch(() => undefined);
}
