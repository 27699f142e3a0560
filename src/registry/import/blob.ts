/**
 * Imports one blob in the cheapest way: the repository has it; another repository has it; the storage links or copies the
 * source's file; its bytes are streamed. It holds no lock of the repository: the lease protects the blob from the collector.
 */
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { type SourceBlob, SourceError, type SourceRepository } from "../../transfer/source.js";
import { lease } from "../lease.js";
import { pushStream } from "../push-stream.js";
import type { Services } from "../services.js";
import type { ImportRun } from "./run.js";

/**
 * Resolves with whether the repository has the blob, or would have it in a dry run; false if the source does not have it.
 * `size` is the size in a descriptor, if any. It decides nothing, because a descriptor may be wrong: a blob of another size
 * is hashed, and accepted if it has the digest. Rejects with `SourceError` or `digest-mismatch`.
 */
export function bringBlob(
  run: ImportRun,
  from: SourceRepository,
  digest: Digest,
  size?: number,
): Promise<boolean> {
  return run.transfers.exclusive(digest, () => bring(run, from, digest, size));
}

async function bring(
  run: ImportRun,
  from: SourceRepository,
  digest: Digest,
  size: number | undefined,
): Promise<boolean> {
  const { services, tally, options, hashed } = run;
  const { blobs } = services.storage;
  const { name } = from;
  const isUnsure = (found: number | undefined) => found !== undefined && found !== (size ?? found);
  const sizeHere = () => lease(services, name, digest, () => blobs.size(name, digest));
  const there = await sizeHere();
  if (there !== undefined && (await isIntact(run, name, digest, options.rehash || isUnsure(there)))) {
    tally.blob("there", there);
    return true;
  }
  if (!options.dryRun && (!options.rehash || hashed.has(digest))) {
    const shared = await mountAnywhere(services, name, digest);
    if (shared !== undefined && (await isIntact(run, name, digest, isUnsure(shared)))) {
      tally.blob("shared", shared);
      return true;
    }
  }
  const blob = await from.blob(digest);
  if (blob === undefined) return false;
  const oddSize = isUnsure(blob.size) ? `the blob has ${blob.size} bytes instead of ${size}` : undefined;
  if (options.dryRun) {
    if (oddSize !== undefined)
      tally.warning({ repository: name, digest, what: `${oddSize}; it is imported if its digest matches` });
    tally.blob("wanted", blob.size ?? size ?? 0);
    return true;
  }
  const checked = oddSize === undefined ? blob : { ...blob, unsure: true };
  const way = await take(run, name, digest, checked, size).catch((error: unknown) => {
    const isWrong = error instanceof RegistryError && error.kind === "digest-mismatch";
    throw oddSize !== undefined && isWrong
      ? new SourceError(`${oddSize}, and its bytes do not match the digest`)
      : error;
  });
  tally.blob(way, blob.size ?? (await sizeHere()) ?? 0);
  return true;
}

/** Imports the blob's content, and returns the way that it used. */
async function take(
  run: ImportRun,
  name: RepositoryName,
  digest: Digest,
  blob: SourceBlob,
  size: number | undefined,
) {
  const { services, options, hashed } = run;
  const check = options.rehash || blob.unsure;
  const { outside } = blob;
  const { adopter } = services.storage;
  const adopted =
    outside &&
    adopter &&
    (await lease(services, name, digest, () => adopter.adopt(outside, name, digest, check)));
  if (adopted === undefined)
    await pushStream(services, run.permit(name), digest, blob.read(options.signal, size));
  else {
    if (adopted.healed) await services.cluster.changes.publish({ kind: "blobs-healed" });
    services.caches.blobStored(name, digest, undefined);
  }
  if (adopted === undefined || adopted.checked) hashed.set(digest, true);
  return adopted?.how ?? "streamed";
}

function mountAnywhere(
  services: Services,
  name: RepositoryName,
  digest: Digest,
): Promise<number | undefined> {
  return lease(services, name, digest, async () => {
    const size = await services.storage.blobs.mount(digest, name);
    if (size !== undefined) services.caches.blobStored(name, digest, size);
    return size;
  });
}

/** Returns whether the repository's bytes are correct. Assumes that they are unless `check` demands that they are read. */
async function isIntact(
  run: ImportRun,
  name: RepositoryName,
  digest: Digest,
  check: boolean,
): Promise<boolean> {
  if (!check || run.hashed.has(digest)) return true;
  const { blobs } = run.services.storage;
  const own = await blobs.check(name, digest);
  const sound = own === "content" ? await blobs.checkContent(digest) : own;
  if (sound === true) run.hashed.set(digest, true);
  return sound === true;
}
