/** Pulling blobs (distribution-spec, end-2). */

import type { PullPermit } from "../auth/gate.js";
import { smallBlobBytesMax } from "../cache/caches.js";
import type { ReadableBlob } from "../cache/open-blobs.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { noSpans, type Spans } from "../lib/spans.js";
import type { BlobUrl } from "../storage/storage.js";
import { lease } from "./lease.js";
import type { Services } from "./services.js";

/**
 * A blob to send: its bytes if it is small, otherwise its address in the store, if there is one, or a hold on its open file,
 * which the caller releases.
 */
export type PulledBlob =
  | { readonly size: number; readonly bytes: Buffer }
  | { readonly size: number; readonly url: string }
  | { readonly size: number; readonly file: ReadableBlob };

/**
 * Returns the blob's size in bytes, or `undefined` if the repository does not have it. Leases the blob, because the client
 * learns that it exists. Synchronous if the size is in memory.
 */
function blobSize(
  services: Services,
  name: RepositoryName,
  digest: Digest,
): number | undefined | Promise<number | undefined> {
  const { caches, cluster, storage } = services;
  const key = `${name}@${digest}` as const;
  const kept = caches.blobSizes.get(key);
  if (kept === undefined) {
    return lease(services, name, digest, () =>
      caches.blobSizes.load(key, async () => {
        const size = await storage.blobs.size(name, digest);
        if (size !== undefined) caches.blobHomes.seen(name, digest);
        return size;
      }),
    );
  }
  cluster.leases.renew(key);
  return kept;
}

/** Throws or rejects with `blob-unknown`. */
export function headBlob(services: Services, { name }: PullPermit, digest: Digest): number | Promise<number> {
  const size = blobSize(services, name, digest);
  return size instanceof Promise ? size.then((found) => found ?? unknown(digest)) : (size ?? unknown(digest));
}

/** Throws or rejects with `blob-unknown`. Synchronous if the blob is in memory. */
export function pullBlob(
  services: Services,
  { name }: PullPermit,
  digest: Digest,
  spans: Spans = noSpans,
  /** Whether this client may get the address of the blob in the store. */
  mayRedirect = true,
): PulledBlob | Promise<PulledBlob> {
  const key = `${name}@${digest}` as const;
  const bytes = services.caches.smallBlobs.get(key);
  if (bytes !== undefined) {
    services.cluster.leases.renew(key);
    return { size: bytes.length, bytes };
  }
  const address = mayRedirect ? services.caches.blobUrls.get(key) : undefined;
  if (address !== undefined && isUsable(address)) {
    services.cluster.leases.renew(key);
    return address;
  }
  return spans.during("open", () => openBlob(services, name, digest, mayRedirect));
}

/** Clients must have time to follow a redirect and to begin reading. */
const urlMillisecondsMin = 5 * 60 * 1000;

function isUsable({ until }: BlobUrl): boolean {
  return until - Date.now() > urlMillisecondsMin;
}

async function openBlob(
  services: Services,
  name: RepositoryName,
  digest: Digest,
  mayRedirect: boolean,
): Promise<PulledBlob> {
  const { caches, storage } = services;
  const size = await blobSize(services, name, digest);
  if (size === undefined) return unknown(digest);
  if (size > smallBlobBytesMax && mayRedirect && storage.blobs.url !== undefined) {
    const key = `${name}@${digest}` as const;
    const kept = caches.blobUrls.get(key);
    if (kept !== undefined && !isUsable(kept)) caches.blobUrls.delete(key);
    return (
      (await caches.blobUrls.load(key, async () => storage.blobs.url?.(name, digest))) ?? unknown(digest)
    );
  }
  if (size > smallBlobBytesMax) {
    const file = await caches.openBlobs.acquire(name, digest);
    return file === undefined ? unknown(digest) : { size: file.size, file };
  }
  const bytes = await caches.smallBlobs.load(`${name}@${digest}`, () =>
    readSmallBlob(services, name, digest),
  );
  return bytes === undefined ? unknown(digest) : { size: bytes.length, bytes };
}

/** Opens and reads in one step, so that a cached blob existed during the whole read. */
async function readSmallBlob(
  { caches }: Services,
  name: RepositoryName,
  digest: Digest,
): Promise<Buffer | undefined> {
  const file = await caches.openBlobs.acquire(name, digest);
  if (file === undefined) return undefined;
  try {
    const buffer = Buffer.alloc(file.size);
    return buffer.subarray(0, await file.reader.read(buffer, 0));
  } finally {
    file.release();
  }
}

function unknown(digest: Digest): never {
  throw new RegistryError("blob-unknown", "no such blob in this repository", { digest });
}
