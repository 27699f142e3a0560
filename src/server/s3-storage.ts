/** Opens the storage in a bucket, after testing and locking it. Loaded only if the settings name one. */
import type { SlabPool } from "../lib/slab-pool.js";
import type { Services } from "../registry/services.js";
import { S3Client } from "../storage/s3/client.js";
import { S3NodeRecords } from "../storage/s3/node-records.js";
import { openS3Storage } from "../storage/s3/open.js";
import { prepareStore } from "../storage/s3/prepare.js";
import { requestSecondsMax, S3Requests } from "../storage/s3/requests.js";
import { Reserve } from "../storage/s3/reserve.js";
import { placeName } from "../storage/s3/store-object.js";
import { engineNameOf } from "./cluster.js";
import { distributionPath, distributionWarning } from "./foreign-content.js";
import type { OpenedStorage, Opening, OpenOptions } from "./opening.js";
import { type S3Settings, s3CredentialsOf, s3LimitsOf, s3PlaceOf, scratchFolderOf } from "./s3.js";

const mebibyte = 1024 * 1024;

/** A push must be able to share a content and to point to it within half of this, whatever `gc.lease` is. */
const graceSecondsMin = 300;

/** Time for which clients can use the address of a blob; as in CNCF distribution. */
const urlSeconds = 20 * 60;

/** A report about all repositories lists the pointers of blobs once. */
const usageSeconds = 60;

/** A worker's task sends so many requests, one after another, at most if the store fails each of them. */
const requestsPerTask = 4;

/** One of them may be a copy within the store, or the completion of a large upload. */
const copySeconds = 300;

/** The lock is renewed while the store does little else. */
const lockConnections = 4;

const full =
  "the store is full: pushes get 507, while pulls, deletions and collections continue with the 4 MiB that were kept for this; free space by deleting images and `gantry gc --delete`, give the store more, or raise its quota";

async function hasDistribution(client: S3Client): Promise<boolean> {
  for await (const _ of client.list(`${distributionPath}/`, "", 1)) return true;
  return false;
}

/** Rejects if the bucket cannot be used. */
export async function openBucket(
  { config, log, closers }: Opening,
  settings: S3Settings,
  slabs: SlabPool,
  { serving, create, onStoreLost }: OpenOptions,
  onStray: Services["onStray"],
): Promise<OpenedStorage> {
  const place = s3PlaceOf(settings);
  const limits = s3LimitsOf(settings);
  const credentials = s3CredentialsOf(settings);
  const scratchFolder = scratchFolderOf(settings);
  const onError = (error: unknown, message: string) => log.error({ err: error }, message);
  const reserve = new Reserve((isMissing) => {
    if (isMissing) log.warn(full);
    else log.info("the store has room again: pushes are accepted");
  });
  // A client of its own: the other one changes nothing any more when the lock cannot be renewed.
  const locking = new S3Client(
    new S3Requests(place, { ...limits, connections: lockConnections }, credentials.get, credentials.refused, {
      makeRoom: (requests, request) => reserve.makeRoom(requests, request),
    }),
  );
  closers.add("connections of the store's lock", () => locking.close());
  const { lock, fresh, id, removesWithCondition } = await prepareStore(locking, {
    create,
    engine: config.redis && engineNameOf(config.redis),
    onLost: onStoreLost,
    onWaiting: (why) => log.warn(why),
    onError: (error) => onError(error, "the lock of the store could not be renewed"),
  });
  closers.add("lock of the store", () => lock.release());
  closers.add("reserve of the store", () => reserve.stop());
  await reserve.watch(locking, (error) => onError(error, "the reserve of the store could not be restored"));
  const graceSeconds = Math.max(config.gc.lease, graceSecondsMin);
  const storage = openS3Storage({
    place,
    limits,
    credentials,
    confirm: () => lock.confirm(),
    reserve,
    slabs,
    threads: config.uploads.workers,
    partBytes: settings.chunksize,
    partMemoryBytes: settings.memorymib * mebibyte,
    scratchFolder,
    graceSeconds,
    collectedAfterSeconds: graceSeconds,
    urlSeconds: config.storage.redirect.disable ? undefined : urlSeconds,
    usageSeconds,
    removesWithCondition,
    taskSecondsMax: Math.max(
      config.uploads.tasktimeout,
      requestsPerTask * requestSecondsMax(limits, settings.chunksize) + copySeconds,
    ),
    fresh,
    onStray,
    onError,
  });
  closers.add("storage", () => storage.close());
  // A record must not wait for the requests of clients.
  const nodes = new S3NodeRecords(locking);
  const name = placeName(storage.client);
  const warnings = serving && (await hasDistribution(locking)) ? [distributionWarning(name)] : [];
  return { storage, place: name, warnings, shared: { id, nodes } };
}
