/**
 * The worker of the S3 driver: hashes the bytes of uploads and sends them to the store. It owns the running hashes and unsent
 * bytes of its uploads, and knows nothing of sessions or HTTP.
 */
import { workerData } from "node:worker_threads";
import { type Algorithm, algorithmOf, type Digest, digestOf, encodedOf } from "../../src/domain/digest.js";
import { RegistryError } from "../../src/domain/errors.js";
import { newHasher } from "../../src/domain/hash.js";
import type { SessionId } from "../../src/domain/session-id.js";
import { now } from "../../src/lib/clock.js";
import { describeError } from "../../src/lib/describe-error.js";
import { InSequence } from "../../src/lib/in-sequence.js";
import type { SlabPart } from "../../src/lib/slab-pool.js";
import { storageFailure } from "../../src/storage/errors.js";
import { S3Client } from "../../src/storage/s3/client.js";
import { type Data, point, share } from "../../src/storage/s3/contents.js";
import { portError } from "../../src/storage/s3/failure.js";
import { keys } from "../../src/storage/s3/keys.js";
import { S3Requests } from "../../src/storage/s3/requests.js";
import type { S3Credentials } from "../../src/storage/s3/signed-requests.js";
import type {
  AppendTask,
  CommitTask,
  DigestTask,
  FlushTask,
  ForgetTask,
  S3WorkerDone,
  S3WorkerResult,
  S3WorkerSetup,
  S3WorkerTask,
  SealTask,
  UploadTask,
} from "../../src/storage/s3/worker-protocol.js";
import { openScratchFile } from "../../src/storage/scratch-file.js";
import type { UploadTimes } from "../../src/storage/storage.js";
import { BusyTime } from "../uploads/busy-time.js";
import { HeldPart } from "./held-part.js";
import { OpenUpload, partBytesMin, type UploadTools } from "./open-upload.js";
import { PartBuffers } from "./part-buffers.js";
import { readObject } from "./read-object.js";

const setup = workerData as S3WorkerSetup;

let credentials: S3Credentials;
const requests = new S3Requests(setup.place, setup.limits, async () => credentials);
const client = new S3Client(requests);
const buffers = new PartBuffers(setup.partsInMemory, setup.partBytes);
/** Uploads that store their bytes at the same time, at the end of a request. Memory that they do not fill is not used. */
const copiesAtOnce = 3;
/** The line of an upload with 10,000 parts has less than half of this. */
const lineBytesMax = 2 * 1024 * 1024;
const tools: UploadTools = {
  client,
  partBytes: setup.partBytes,
  copies: new PartBuffers(copiesAtOnce, partBytesMin + lineBytesMax),
  newPart: () => new HeldPart(buffers, () => openScratchFile(setup.scratchFolder)),
};

const uploads = new Map<SessionId, OpenUpload>();

/** The tasks of an upload run in order of arrival. */
const tasks = new InSequence<SessionId>();

const busy = new BusyTime();

type Said = Omit<S3WorkerDone, "busyMilliseconds" | "requests">;

/** Another node has continued the upload. */
class Taken extends Error {}

/** Runs one task. Never rejects. */
export async function run(task: S3WorkerTask): Promise<S3WorkerResult> {
  ({ credentials } = task);
  try {
    const said = await busy.during(() => begin(task));
    return { ok: true, ...said, requests: requests.sent, busyMilliseconds: busy.milliseconds };
  } catch (thrown) {
    if (thrown instanceof Taken) return { ok: false, error: "taken", message: thrown.message };
    const error = portError(thrown);
    if (error instanceof RegistryError)
      return {
        ok: false,
        error: error.kind,
        message: error.message,
        detail: error.detail,
        ...(error.cause !== undefined && { cause: describeError(error.cause) }),
      };
    const { code, message } = error as NodeJS.ErrnoException;
    return code === undefined
      ? {
          ok: false,
          error: "unexpected",
          message: error instanceof Error ? (error.stack ?? message) : String(error),
        }
      : { ok: false, error: storageFailure(code, error).kind, message };
  }
}

async function begin(task: S3WorkerTask): Promise<Said> {
  return task.kind === "digest" ? digestObject(task) : tasks.run(task.session, () => runUploadTask(task));
}

async function runUploadTask(task: UploadTask): Promise<Said> {
  if (task.kind === "forget") return forget(task);
  const startedAt = now();
  const upload = await uploadFor(task);
  const openedAt = now();
  switch (task.kind) {
    case "append":
      return { times: await append(upload, task, startedAt, openedAt) };
    case "flush":
      return flush(upload, task);
    case "rewind":
      return upload.isUnbroken && (await upload.rewind(task.offset)) ? { offset: task.offset } : {};
    case "seal":
      return seal(upload, task, startedAt, openedAt);
    case "commit":
      return commit(upload, task, startedAt, openedAt);
  }
}

/** Returns the upload that this worker holds; otherwise begins it, or continues the stored one. */
async function uploadFor(task: Exclude<UploadTask, ForgetTask>): Promise<OpenUpload> {
  const { session, algorithm, inChunks, stored } = task;
  let upload = stored === undefined ? uploads.get(session) : undefined;
  if (upload !== undefined && (upload.algorithm === algorithm || upload.received > 0)) return upload;
  await uploads.get(session)?.close();
  upload =
    stored === undefined
      ? await OpenUpload.begin(tools, algorithm, inChunks)
      : await OpenUpload.recover(tools, algorithm, inChunks, stored);
  uploads.set(session, upload);
  return upload;
}

async function append(
  upload: OpenUpload,
  { offset, part }: Pick<AppendTask, "offset" | "part">,
  startedAt: number,
  openedAt: number,
): Promise<UploadTimes> {
  await goTo(upload, offset);
  await upload.append(bytesOf(part));
  return { startedAt, openedAt, hashedAt: upload.hashedAt, writtenAt: now() };
}

async function goTo(upload: OpenUpload, offset: number): Promise<void> {
  if (await upload.rewind(offset)) return;
  throw new RegistryError("storage-failed", "the registry lost bytes of the upload: begin it again");
}

async function flush(upload: OpenUpload, task: FlushTask): Promise<Said> {
  const { session, record, etag, offset, mayBeEarly } = task;
  await goTo(upload, offset);
  if (mayBeEarly) {
    const early = await upload.storeEarly(session, record);
    if (early === "taken") throw new Taken("another node has continued this upload");
    if (early === "stored") return { isEarly: true };
  }
  const condition = etag === undefined ? ({ ifNoneMatch: "*" } as const) : { ifMatch: etag };
  const stamp = await upload.stored(record, (body) => client.put(keys.upload(session), body, condition));
  if (stamp === undefined) throw new Taken("another node has continued this upload");
  await upload.dropLeftover();
  return { etag: stamp.etag };
}

async function seal(
  upload: OpenUpload,
  { offset, part, expected }: Pick<SealTask, "offset" | "part" | "expected">,
  startedAt: number,
  openedAt: number,
): Promise<Said> {
  await goTo(upload, offset);
  const algorithm = algorithmOf(expected);
  const isOther = algorithm !== upload.algorithm;
  const tail = part && bytesOf(part);
  const isAlone = tail !== undefined && !isOther && (await upload.sealWith(tail, encodedOf(expected)));
  if (tail !== undefined && !isAlone) await upload.append(tail);
  const writtenAt = now();
  const { hashedAt } = upload;
  // Wrong bytes are not sent to the store.
  const found = digestOf(upload.algorithm, upload.hex());
  if (!isOther && found !== expected) return { digest: found };
  const sealed = await upload.seal();
  const digest = isOther ? await digestOfSealed(sealed, algorithm) : found;
  return { digest, times: { startedAt, openedAt, hashedAt, writtenAt, syncedAt: now() } };
}

async function digestOfSealed({ key, size }: Data, algorithm: Algorithm): Promise<Digest> {
  const hasher = await newHasher(algorithm);
  await readObject(client, key, size, (bytes) => hasher.update(bytes));
  return digestOf(algorithm, hasher.hex());
}

async function commit(
  upload: OpenUpload,
  task: CommitTask,
  startedAt: number,
  openedAt: number,
): Promise<Said> {
  const { session, name, expected } = task;
  const said =
    upload.sealed === undefined ? await seal(upload, task, startedAt, openedAt) : { digest: expected };
  if (said.digest !== expected) return said;
  const own = await upload.seal();
  upload.isShared = true;
  const shared = await share(client, expected, own, setup.graceSeconds);
  await point(client, name, expected, shared);
  // The blob is stored. What is left of the upload can be removed later, too: nothing names it.
  await Promise.allSettled([
    shared.data.key === own.key ? undefined : client.delete(own.key),
    upload.dropLeftover(),
    upload.close(),
  ]);
  uploads.delete(session);
  return { ...said, healed: shared.healed };
}

async function forget({ session, erases }: ForgetTask): Promise<Said> {
  const upload = uploads.get(session);
  uploads.delete(session);
  await upload?.close();
  if (erases === "all") await upload?.erase();
  // What a failing store keeps is swept.
  else if (erases === "unstored") upload?.eraseUnstored().catch(() => {});
  return {};
}

function bytesOf(part: SlabPart): Uint8Array {
  return Buffer.from(setup.slabs, part.slab * setup.slabBytes + part.start, part.length);
}

async function digestObject({ key, algorithm }: DigestTask): Promise<Said> {
  const startedAt = now();
  const head = await client.head(key);
  if (head === undefined) return {};
  const hasher = await newHasher(algorithm);
  const bytes = await readObject(client, key, head.size, (piece) => hasher.update(piece));
  return { digest: digestOf(algorithm, hasher.hex()), read: { bytes, milliseconds: now() - startedAt } };
}
