/** Opens a storage in an S3-compatible object store. */
import { Closers } from "../../lib/closers.js";
import type { SlabPool } from "../../lib/slab-pool.js";
import type { Storage } from "../storage.js";
import { S3Adopter } from "./adopt.js";
import { S3Blobs } from "./blobs.js";
import { S3Client } from "./client.js";
import type { CredentialSource } from "./credentials.js";
import { withPortErrors } from "./failure.js";
import { s3Metadata } from "./metadata.js";
import { Removals } from "./removals.js";
import { type S3Limits, type S3Place, S3Requests } from "./requests.js";
import type { Reserve } from "./reserve.js";
import { S3Slices } from "./slices.js";
import { S3Uploads } from "./uploads.js";
import { S3WorkerPool } from "./worker-pool.js";

export interface S3StorageOptions {
  readonly place: S3Place;
  readonly credentials: CredentialSource;
  /** Throws if this node may have lost the store. Called before each change. */
  readonly confirm: () => void;
  /** Refuses pushes while the store is full. */
  readonly reserve: Reserve;
  readonly slabs: SlabPool;
  readonly threads: number;
  /** Size of the parts of multipart uploads. */
  readonly partBytes: number;
  /** Memory for parts, of all workers. */
  readonly partMemoryBytes: number;
  /** Folder for bytes that do not fit into that memory. */
  readonly scratchFolder: string;
  /** A push shares a content that is younger than half of this, and writes an older one again (docs/decisions/0044). */
  readonly graceSeconds: number;
  /** Age at which contents without a repository are collected, `graceSeconds` or more: less only while nobody pushes. */
  readonly collectedAfterSeconds: number;
  /** Time for which clients may use the address of a blob; `undefined` to send all bytes through this registry. */
  readonly urlSeconds: number | undefined;
  /** Time for which counts of the repositories that share a content may be outdated. */
  readonly usageSeconds: number;
  /** Whether the store honours conditions of removals. */
  readonly removesWithCondition: boolean;
  readonly limits: S3Limits;
  /** A worker's task that takes longer counts as hung. */
  readonly taskSecondsMax: number;
  /** Whether the store was created just now. */
  readonly fresh: boolean;
  readonly onStray: (what: string, why: string) => void;
  readonly onError: (error: unknown, message: string) => void;
}

/** For tests. */
export const defaultS3Limits: S3Limits = { connections: 64, attemptSeconds: 30, requestSeconds: 40 };

/** One buffer is never used for a part that grows, so each worker needs two. */
const partsInMemoryMin = 2;

export interface S3Storage extends Storage {
  readonly client: S3Client;
}

/** The store itself has been checked: see `probe.ts` and `store-lock.ts`. */
export function openS3Storage(options: S3StorageOptions): S3Storage {
  const { place, limits, credentials, slabs, threads, partBytes, onStray, onError } = options;
  const { confirm, reserve } = options;
  const closers = new Closers((error, what) => onError(error, `closing the store: ${what} failed`));
  const requests = new S3Requests(place, limits, credentials.get, credentials.refused, {
    before: (request) => {
      confirm();
      reserve.before(request);
    },
    makeRoom: (sender, request) => reserve.makeRoom(sender, request),
  });
  const client = new S3Client(requests);
  closers.add("connections", () => client.close());
  const workers = new S3WorkerPool({
    setup: {
      slabs: slabs.memory,
      slabBytes: slabs.slabBytes,
      place,
      limits,
      partBytes,
      partsInMemory: Math.max(partsInMemoryMin, Math.floor(options.partMemoryBytes / threads / partBytes)),
      scratchFolder: options.scratchFolder,
      graceSeconds: options.graceSeconds,
    },
    credentials: credentials.get,
    confirm,
    reserve,
    threads,
    taskSecondsMax: options.taskSecondsMax,
    onError: (error) => onError(error, "a worker thread crashed and was replaced"),
  });
  closers.add("workers", () => workers.close());
  const removals = new Removals(client, (error) => onError(error, "unneeded objects could not be removed"));
  closers.add("unneeded objects", () => removals.close());
  const blobs = new S3Blobs(client, workers, options);
  return {
    client,
    fresh: options.fresh,
    readOnly: false,
    measures: {
      syncs: {},
      lookups: {},
      contents: undefined,
      requests: () => sumOf(requests.sent, workers.done.requests),
    },
    ...s3Metadata(client, onStray, (error) => onError(error, "the history of a tag could not be pruned")),
    blobs: withPortErrors(blobs),
    adopter: withPortErrors(new S3Adopter(client, workers, options.graceSeconds)),
    slices: withPortErrors(new S3Slices(client, removals)),
    uploads: withPortErrors(new S3Uploads({ client, workers, removals }, options.scratchFolder, options)),
    workers,
    close: () => closers.close(),
  };
}

function sumOf(...counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const count of counts)
    for (const [name, value] of Object.entries(count)) sum[name] = (sum[name] ?? 0) + value;
  return sum;
}
