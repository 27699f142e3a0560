/**
 * The worker of the pool: hashes and writes the bytes of uploads, and rehashes stored files. It owns the open files and running
 * hashes of its uploads, and knows nothing of repositories, sessions or HTTP.
 */
import { closeSync, constants, openSync } from "node:fs";
import { relative } from "node:path";
import { workerData } from "node:worker_threads";
import { algorithmOf, digestOf } from "../../src/domain/digest.js";
import { newHasher } from "../../src/domain/hash.js";
import type { SessionId } from "../../src/domain/session-id.js";
import { assert } from "../../src/lib/assert.js";
import { now } from "../../src/lib/clock.js";
import { InSequence } from "../../src/lib/in-sequence.js";
import type { SlabPart } from "../../src/lib/slab-pool.js";
import type {
  AppendTask,
  DigestTask,
  FilesTask,
  ForgetTask,
  SealTask,
  WorkerDone,
  WorkerResult,
  WorkerSetup,
  WorkerTask,
} from "../../src/storage/filesystem/worker-protocol.js";
import { BusyTime } from "./busy-time.js";
import { doFileSteps, planFileSteps } from "./file-steps.js";
import { hashFile } from "./hash-file.js";
import { JournalWriter } from "./journal-writer.js";
import { type LostWrites, OpenUpload } from "./open-upload.js";
import { placeUpload } from "./place-upload.js";

const setup = workerData as WorkerSetup;

const slabFlags = new Int32Array(setup.slabFlags);

/** In order of last use. */
const uploads = new Map<SessionId, OpenUpload>();

/** The tasks of an upload run in order of arrival. */
const tasks = new InSequence<SessionId>();

/** Write-back errors of uploads that were closed since: the kernel does not report them again to whoever reopens the file. */
const lostWrites = new Map<SessionId, LostWrites>();

const busy = new BusyTime();

const journal = setup.journal && new JournalWriter(setup.journal);

type TaskError = NodeJS.ErrnoException & { readonly isRecorded?: boolean; readonly isLost?: boolean };
type TaskResult = Omit<WorkerDone, "busyMilliseconds">;

/** Runs one task. Never rejects. */
export async function run(task: WorkerTask): Promise<WorkerResult> {
  try {
    const result = await busy.during(() => begin(task));
    return { ok: true, ...result, busyMilliseconds: busy.milliseconds };
  } catch (error) {
    const { code = "UNKNOWN", message, isRecorded = false, isLost = false } = error as TaskError;
    return { ok: false, code, message, isRecorded, isLost };
  }
}

async function begin(task: WorkerTask): Promise<TaskResult> {
  if (task.kind === "digest") return digestFile(task);
  if (task.kind === "files") return doSteps(task);
  if (task.kind === "place") return { placedBytes: placeUpload(task.place) };
  return tasks.run(task.session, () => runUploadTask(task));
}

async function runUploadTask(task: AppendTask | SealTask | ForgetTask): Promise<TaskResult> {
  if (task.kind === "forget") {
    await forget(task.session);
    const lost = lostWrites.get(task.session);
    lostWrites.delete(task.session);
    if (task.isContinued === true && lost !== undefined) throw lost;
    return {};
  }
  try {
    const startedAt = now();
    const held = heldFor(task);
    const upload = held ?? (await openFor(task));
    const openedAt = held === undefined ? now() : startedAt;
    if (task.part !== undefined) await upload.append(bytesOf(task.part));
    const writtenAt = now();
    if (task.kind === "append") Atomics.store(slabFlags, task.part.slab, 1);
    const times = { startedAt, openedAt, hashedAt: upload.hashedAt, writtenAt };
    if (task.kind === "append") return { times };
    const digest = await upload.digest(algorithmOf(task.expected));
    let journalSync: number | undefined;
    if (task.journal === undefined) await upload.sync();
    else if (digest === task.expected) journalSync = await commitBlob(task, upload, task.journal);
    const syncedAt = now();
    const { directBytes } = upload.file;
    await forget(task.session);
    const sealed = { ...times, hashedAt: upload.hashedAt, syncedAt };
    if (task.place === undefined || digest !== task.expected) return { digest, directBytes, times: sealed };
    const placedBytes = placeUpload(task.place);
    return { digest, directBytes, placedBytes, journalSync, times: { ...sealed, placedAt: now() } };
  } catch (error) {
    await forget(task.session);
    throw error;
  }
}

/** Writes the blob to the journal. Resolves when it is on stable storage, with the time of the sync. */
async function commitBlob(
  { place, part }: SealTask,
  upload: OpenUpload,
  generation: number,
): Promise<number | undefined> {
  assert(journal !== undefined && setup.journal !== undefined && place !== undefined, "there is a journal");
  const [path, content] = [
    relative(setup.journal.root, place.blob),
    relative(setup.journal.root, place.content),
  ];
  const bytes = part?.length === upload.offset ? bytesOf(part) : upload.read();
  return journal.commit(generation, { operations: [{ do: "blob", path, content }], bytes: [bytes] });
}

async function doSteps({ steps, journal: record }: FilesTask): Promise<TaskResult> {
  if (record === undefined) return { syncs: await doFileSteps(steps, setup.durable) };
  assert(journal !== undefined && setup.journal !== undefined, "there is a journal");
  const planned = planFileSteps(steps, setup.journal.root);
  const journalSync = await journal.commit(record.generation, {
    operations: [...record.operations, ...planned],
    bytes: record.bytes,
  });
  try {
    return { syncs: await doFileSteps(steps, false), journalSync };
  } catch (error) {
    throw Object.assign(error as Error, { isRecorded: true });
  }
}

/** Returns the upload that this worker holds, if the task continues where it ends. */
function heldFor(task: AppendTask | SealTask): OpenUpload | undefined {
  const held = uploads.get(task.session);
  if (held?.offset !== task.offset || held.algorithm !== task.algorithm) return undefined;
  uploads.delete(task.session);
  uploads.set(task.session, held);
  return held;
}

async function openFor(task: AppendTask | SealTask): Promise<OpenUpload> {
  await forget(task.session);
  // All its bytes are written again.
  if (task.offset === 0) lostWrites.delete(task.session);
  const lost = lostWrites.get(task.session);
  if (lost !== undefined) throw lost;
  const upload = await OpenUpload.at(task.files, task.algorithm, task.offset, setup);
  uploads.set(task.session, upload);
  if (uploads.size > setup.openUploadsMax) {
    for (const session of uploads.keys()) {
      if (!tasks.has(session)) {
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

async function digestFile(task: DigestTask): Promise<TaskResult> {
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
