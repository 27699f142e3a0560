/**
 * What runs in the pool: hashes and writes the bytes of uploads, and reads files to hash them again.
 * A worker owns the open files and running hashes of the uploads that are sent to it; it knows nothing
 * of repositories, sessions or HTTP.
 */
import { closeSync, constants, openSync } from "node:fs";
import { workerData } from "piscina";
import { algorithmOf, digestOf } from "../../src/domain/digest.js";
import { newHasher } from "../../src/domain/hash.js";
import type { SessionId } from "../../src/domain/session-id.js";
import { now } from "../../src/lib/clock.js";
import type { SlabPart } from "../../src/lib/slab-pool.js";
import type {
  AppendTask,
  DigestTask,
  ForgetTask,
  SealTask,
  WorkerDone,
  WorkerResult,
  WorkerSetup,
  WorkerTask,
} from "../../src/storage/filesystem/worker-protocol.js";
import { BusyTime } from "./busy-time.js";
import { doFileSteps } from "./file-steps.js";
import { hashFile } from "./hash-file.js";
import { OpenUpload } from "./open-upload.js";
import { placeUpload } from "./place-upload.js";

const setup = workerData as WorkerSetup;

/** In order of last use. */
const uploads = new Map<SessionId, OpenUpload>();

/** The last task of each upload that has some: an upload's tasks run in the order in which they came. */
const tails = new Map<SessionId, Promise<unknown>>();

/** What the write-back of uploads failed with that were let go of since: the kernel does not tell who opens them again. */
const lostWrites = new Map<SessionId, NodeJS.ErrnoException>();

const busy = new BusyTime();

/** What a task says when it has come to its end. */
type Said = Omit<WorkerDone, "busyMilliseconds">;

/** Runs one task. Never rejects. */
export async function run(task: WorkerTask): Promise<WorkerResult> {
  try {
    const said = await busy.during(() => begin(task));
    return { ok: true, ...said, busyMilliseconds: busy.milliseconds };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { ok: false, code: code ?? "UNKNOWN", message };
  }
}

async function begin(task: WorkerTask): Promise<Said> {
  if (task.kind === "digest") return digestFile(task);
  if (task.kind === "files") return { syncs: await doFileSteps(task.steps, setup.durable) };
  if (task.kind === "place") return { placedBytes: placeUpload(task.place) };
  return inOrder(task.session, () => runUploadTask(task));
}

async function inOrder<T>(session: SessionId, work: () => Promise<T>): Promise<T> {
  const before = tails.get(session);
  const mine = before === undefined ? work() : before.then(work, work);
  tails.set(session, mine);
  try {
    return await mine;
  } finally {
    if (tails.get(session) === mine) tails.delete(session);
  }
}

async function runUploadTask(task: AppendTask | SealTask | ForgetTask): Promise<Said> {
  if (task.kind === "forget") {
    await forget(task.session);
    lostWrites.delete(task.session);
    return {};
  }
  try {
    const startedAt = now();
    const held = heldFor(task);
    const upload = held ?? (await openFor(task));
    const openedAt = held === undefined ? now() : startedAt;
    if (task.part !== undefined) await upload.append(bytesOf(task.part));
    const writtenAt = now();
    const times = { startedAt, openedAt, hashedAt: upload.hashedAt, writtenAt };
    if (task.kind === "append") return { times };
    const digest = await upload.seal(algorithmOf(task.expected));
    const syncedAt = now();
    await forget(task.session);
    const sealed = { ...times, hashedAt: upload.hashedAt, syncedAt };
    if (task.place === undefined || digest !== task.expected) return { digest, times: sealed };
    const placedBytes = placeUpload(task.place);
    return { digest, placedBytes, times: { ...sealed, placedAt: now() } };
  } catch (error) {
    await forget(task.session);
    throw error;
  }
}

/** The upload that this worker holds, if it stands where the task goes on. */
function heldFor(task: AppendTask | SealTask): OpenUpload | undefined {
  const held = uploads.get(task.session);
  if (held?.offset !== task.offset || held.algorithm !== task.algorithm) return undefined;
  uploads.delete(task.session);
  uploads.set(task.session, held);
  return held;
}

async function openFor(task: AppendTask | SealTask): Promise<OpenUpload> {
  await forget(task.session);
  // Its bytes are all written anew.
  if (task.offset === 0) lostWrites.delete(task.session);
  const lost = lostWrites.get(task.session);
  if (lost !== undefined) throw lost;
  const upload = await OpenUpload.at(task.files, task.algorithm, task.offset, setup);
  uploads.set(task.session, upload);
  if (uploads.size > setup.openUploadsMax) {
    for (const session of uploads.keys()) {
      if (!tails.has(session)) {
        await forget(session);
        break;
      }
    }
  }
  return upload;
}

async function forget(session: SessionId): Promise<void> {
  const held = uploads.get(session);
  uploads.delete(session);
  await held?.close();
  if (held?.writeBackError !== undefined) lostWrites.set(session, held.writeBackError);
}

function bytesOf(part: SlabPart): Uint8Array {
  return Buffer.from(setup.slabs, part.slab * setup.slabBytes + part.start, part.length);
}

async function digestFile(task: DigestTask): Promise<Said> {
  const startedAt = now();
  const hasher = await newHasher(task.algorithm);
  const descriptor = openSync(task.file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  try {
    const bytes = await hashFile(descriptor, hasher, Number.POSITIVE_INFINITY);
    const digest = digestOf(task.algorithm, hasher.hex());
    return { digest, read: { bytes, milliseconds: now() - startedAt } };
  } finally {
    closeSync(descriptor);
  }
}
