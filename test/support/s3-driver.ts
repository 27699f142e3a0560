// Nodes in the test's process that use one bucket through the S3 driver, without HTTP: what the data path promises between
// nodes, and under faults of the store.

import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Digest, parseDigest } from "../../src/domain/digest.js";
import type { RepositoryName } from "../../src/domain/repository-name.js";
import { newSessionId, type SessionId } from "../../src/domain/session-id.js";
import { SlabPool } from "../../src/lib/slab-pool.js";
import { fixedCredentials } from "../../src/storage/s3/credentials.js";
import { defaultS3Limits, openS3Storage, type S3StorageOptions } from "../../src/storage/s3/open.js";
import { Reserve } from "../../src/storage/s3/reserve.js";
import type { Upload, UploadHints } from "../../src/storage/storage.js";
import { digestOf } from "./content.js";
import type { S3Server } from "./s3-server.js";

export const partBytes = 5 * 1024 * 1024;

export function digestFor(bytes: Uint8Array): Digest {
  return parseDigest(digestOf(bytes, "sha256"));
}

/** Options of a driver on this server, without those that a node or a store has for itself. */
export function driverOptions(server: S3Server): Omit<S3StorageOptions, "slabs" | "scratchFolder" | "place"> {
  return {
    credentials: fixedCredentials({ accessKeyId: server.accessKey, secretAccessKey: server.secretKey }),
    confirm: () => {},
    reserve: new Reserve(() => {}),
    threads: 1,
    partBytes,
    partMemoryBytes: 0,
    graceSeconds: 60,
    // The store tells times in whole seconds.
    collectedAfterSeconds: -2,
    urlSeconds: 60,
    usageSeconds: 0,
    removesWithCondition: true,
    limits: defaultS3Limits,
    taskSecondsMax: 120,
    fresh: false,
    onStray: () => {},
    onError: (error) => {
      throw error;
    },
  };
}

export class S3Node implements AsyncDisposable {
  readonly slabs = new SlabPool();
  readonly storage;

  private constructor(
    options: Omit<S3StorageOptions, "slabs">,
    readonly scratch: string,
  ) {
    this.storage = openS3Storage({ ...options, slabs: this.slabs });
  }

  /** `endpoint` is a relay in front of the server. */
  static async open(
    server: S3Server,
    options: Partial<S3StorageOptions> & { readonly endpoint?: string } = {},
  ): Promise<S3Node> {
    const { place } = server.client().requests;
    const { endpoint = place.endpoint, ...others } = options;
    const scratch = await mkdtemp(join(tmpdir(), "gantry-scratch-"));
    return new S3Node(
      { ...driverOptions(server), place: { ...place, endpoint }, scratchFolder: scratch, ...others },
      scratch,
    );
  }

  begin(name: RepositoryName, hints: UploadHints): { readonly id: SessionId; readonly upload: Upload } {
    const id = newSessionId();
    const record = {
      name,
      opener: "o",
      client: "c",
      algorithm: "sha256",
      announced: false,
      createdAt: 1,
    } as const;
    return { id, upload: this.storage.uploads.begin(id, record, hints) };
  }

  /** Appends all bytes, slab by slab. */
  async append(upload: Upload, bytes: Uint8Array, offset: number): Promise<void> {
    for (let at = 0; at < bytes.length; at += this.slabs.slabBytes) {
      const piece = bytes.subarray(at, at + this.slabs.slabBytes);
      const slab = this.slabs.take();
      if (slab === undefined) throw new Error("there are enough slabs");
      this.slabs.copyInto(slab, 0, piece);
      await upload
        .append({ slab, start: 0, length: piece.length }, offset + at)
        .finally(() => this.slabs.give(slab));
    }
  }

  async push(name: RepositoryName, bytes: Uint8Array): Promise<Digest> {
    const digest = digestFor(bytes);
    const { upload } = this.begin(name, { survives: false });
    await this.append(upload, bytes, 0);
    await upload.commit(name, digest, { offset: bytes.length, part: undefined });
    return digest;
  }

  async read(name: RepositoryName, digest: Digest): Promise<Buffer | undefined> {
    const reader = await this.storage.blobs.open(name, digest);
    if (reader === undefined) return undefined;
    const bytes = Buffer.alloc(reader.size);
    return bytes.subarray(0, await reader.read(bytes, 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.storage.close();
    await rm(this.scratch, { recursive: true });
  }
}

export function uniqueName(): RepositoryName {
  return `team/r${randomBytes(6).toString("hex")}` as RepositoryName;
}
