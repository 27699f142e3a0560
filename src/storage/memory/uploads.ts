import type { Algorithm, Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { digestBytes } from "../../domain/hash.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { SessionId } from "../../domain/session-id.js";
import { now } from "../../lib/clock.js";
import type { ScratchFile } from "../../lib/held-bytes.js";
import type { SlabPart, SlabPool } from "../../lib/slab-pool.js";
import type {
  Commit,
  RecoveredUpload,
  Tail,
  Upload,
  UploadHints,
  UploadRecord,
  UploadStore,
  UploadTimes,
} from "../storage.js";
import type { MemoryBlobs } from "./blobs.js";
import type { MemoryData } from "./memory-data.js";

export interface UploadParts {
  readonly slabs: SlabPool;
  readonly data: MemoryData;
  readonly blobs: MemoryBlobs;
}

/** Each call changes the bytes before it returns, so that calls run in the order in which they are made. */
class MemoryUpload implements Upload {
  readonly isLost = false;

  constructor(
    readonly parts: UploadParts,
    readonly id: SessionId,
    public algorithm: Algorithm,
    /** Present if the upload can be recovered. */
    readonly record: UploadRecord | undefined,
    private bytes: Buffer = Buffer.alloc(0),
  ) {}

  async append(part: SlabPart, offset: number): Promise<UploadTimes> {
    const startedAt = now();
    this.#put({ part, offset });
    return timesSince(startedAt);
  }

  async seal(expected: Digest, tail: Tail): Promise<UploadTimes> {
    const startedAt = now();
    this.#put(tail);
    const actual = await digestBytes(this.algorithm, this.bytes);
    if (actual !== expected)
      throw new RegistryError("digest-mismatch", "the bytes of the blob do not match the digest", {
        expected,
        actual,
      });
    return { ...timesSince(startedAt), syncedAt: now() };
  }

  async commit(name: RepositoryName, digest: Digest, tail?: Tail): Promise<Commit> {
    const times = tail && (await this.seal(digest, tail));
    const healed = await this.parts.blobs.add(name, digest, this.bytes);
    this.parts.data.uploads.delete(this.id);
    return { healed, times };
  }

  async flush(): Promise<void> {}

  async truncate(bytes: number): Promise<number> {
    this.#put({ part: undefined, offset: bytes });
    return bytes;
  }

  async abort(): Promise<void> {
    this.parts.data.uploads.delete(this.id);
  }

  #put({ part, offset }: Tail): void {
    const kept = this.bytes.subarray(0, offset);
    const added = part && this.parts.slabs.bytes(part.slab).subarray(part.start, part.start + part.length);
    this.bytes = Buffer.concat(added === undefined ? [kept] : [kept, added]);
    const { id, bytes, record } = this;
    if (record !== undefined && bytes.length > 0)
      this.parts.data.uploads.set(id, { record, bytes, touchedAt: Date.now() });
  }
}

function timesSince(startedAt: number): UploadTimes {
  const done = now();
  return { startedAt, openedAt: startedAt, hashedAt: done, writtenAt: done };
}

export class MemoryUploads implements UploadStore {
  readonly isShared = false;

  constructor(readonly parts: UploadParts) {}

  openScratchFile(): ScratchFile {
    let bytes = Buffer.alloc(0);
    const write = (chunk: Uint8Array, position: number) => {
      const grown = Buffer.alloc(Math.max(bytes.length, position + chunk.length));
      grown.set(bytes);
      grown.set(chunk, position);
      bytes = grown;
    };
    const read = (into: Uint8Array, position: number) => bytes.copy(into, 0, position);
    return {
      write,
      read,
      writeLater: async (chunk, position) => write(chunk, position),
      readLater: async (into, position) => read(into, position),
      close: () => {},
    };
  }

  begin(id: SessionId, record: UploadRecord, { survives }: UploadHints): Upload {
    return new MemoryUpload(this.parts, id, record.algorithm, survives ? record : undefined);
  }

  async recover(id: SessionId): Promise<RecoveredUpload | undefined> {
    const found = this.parts.data.uploads.get(id);
    if (found === undefined) return undefined;
    const { record, bytes, touchedAt } = found;
    const upload = new MemoryUpload(this.parts, id, record.algorithm, record, bytes);
    return { ...record, upload, received: bytes.length, touchedAt };
  }

  async *abandoned(before: number): AsyncIterable<SessionId> {
    for (const [id, { touchedAt }] of this.parts.data.uploads) if (touchedAt < before) yield id;
  }

  async *all(): AsyncIterable<{ id: SessionId; bytes: number }> {
    for (const [id, { bytes }] of this.parts.data.uploads) yield { id, bytes: bytes.length };
  }

  async remove(id: SessionId): Promise<void> {
    this.parts.data.uploads.delete(id);
  }
}
