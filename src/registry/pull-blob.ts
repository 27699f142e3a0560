/** Pulling blobs (distribution-spec, end-2). */

import { smallBlobBytesMax } from "../cache/caches.js";
import type { SharedBlob } from "../cache/open-blobs.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

/** A blob to send: its bytes where it is small, else a hold on its open file, which the caller releases. */
export type PulledBlob =
  | { readonly size: number; readonly bytes: Buffer }
  | { readonly size: number; readonly file: SharedBlob };

/** The blob's size in bytes, `undefined` where the repository has none. From memory it is synchronous. */
export function blobSize(
  { caches, storage }: Services,
  name: RepositoryName,
  digest: Digest,
): number | undefined | Promise<number | undefined> {
  return caches.blobSizes.load(`${name}@${digest}`, () => storage.blobs.size(name, digest));
}

/** Throws or rejects with `blob-unknown`. */
export function headBlob(services: Services, name: RepositoryName, digest: Digest): number | Promise<number> {
  const size = blobSize(services, name, digest);
  return size instanceof Promise ? size.then((found) => found ?? unknown(digest)) : (size ?? unknown(digest));
}

/** Throws or rejects with `blob-unknown`. From memory it is synchronous. */
export function pullBlob(
  services: Services,
  name: RepositoryName,
  digest: Digest,
): PulledBlob | Promise<PulledBlob> {
  const bytes = services.caches.smallBlobs.get(`${name}@${digest}`);
  return bytes === undefined ? openBlob(services, name, digest) : { size: bytes.length, bytes };
}

async function openBlob(services: Services, name: RepositoryName, digest: Digest): Promise<PulledBlob> {
  const file = await services.caches.openBlobs.acquire(name, digest);
  if (file === undefined) return unknown(digest);
  if (file.size > smallBlobBytesMax) return { size: file.size, file };
  try {
    const bytes = await services.caches.smallBlobs.load(`${name}@${digest}`, async () => {
      const buffer = Buffer.alloc(file.size);
      return buffer.subarray(0, await file.reader.read(buffer, 0));
    });
    return bytes === undefined ? unknown(digest) : { size: bytes.length, bytes };
  } finally {
    file.release();
  }
}

function unknown(digest: Digest): never {
  throw new RegistryError("blob-unknown", "no such blob in this repository", { digest });
}
