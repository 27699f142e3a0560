// Large blobs after their push: the server reads them into the page cache if memory is free and the disk is idle, and around
// it otherwise; readers get the right bytes in each state.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { constants, fsyncSync, openSync, writeSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Digest } from "../../src/domain/digest.js";
import type { RepositoryName } from "../../src/domain/repository-name.js";
import { newSessionId } from "../../src/domain/session-id.js";
import { alignedBuffer } from "../../src/lib/aligned-memory.js";
import { defaultSlabs, SlabPool } from "../../src/lib/slab-pool.js";
import { CacheFiller } from "../../src/storage/filesystem/cache-filler.js";
import { ColdBlob } from "../../src/storage/filesystem/cold-blobs.js";
import { type FilesystemStorage, openFilesystemStorage } from "../../src/storage/filesystem/open.js";
import { FileBlobReader } from "../../src/storage/filesystem/reader.js";

const mebibyte = 1024 * 1024;
const size = 40 * mebibyte + 5000;
const bytes = Buffer.from(alignedBuffer(size + mebibyte)).subarray(0, size);
randomFillSync(bytes);

let folder: string;
let file: string;

/** Writes the file around the page cache, except for its last, incomplete block. */
function writeDirectly(path: string): boolean {
  try {
    const whole = size - (size % 4096);
    const direct = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_DIRECT);
    assert.equal(writeSync(direct, bytes, 0, whole, 0), whole);
    const cached = openSync(path, "r+");
    writeSync(cached, bytes, whole, size - whole, whole);
    fsyncSync(cached);
    return true;
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "EINVAL");
    return false;
  }
}

/** Bytes of the file in the page cache, or undefined if nothing says. */
function residentBytes(): number | undefined {
  try {
    return Number(execFileSync("fincore", ["--bytes", "--noheadings", "--output", "RES", file]).toString());
  } catch {
    return undefined;
  }
}

let skip: string | false = false;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gantry-page-cache-"));
  file = join(folder, "blob");
  if (!writeDirectly(file)) skip = "this file system has no direct I/O";
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function fillerWith(free: number, isDiskBusy = () => false): CacheFiller {
  return new CacheFiller({
    open: (path) => open(path),
    isDiskBusy,
    freeMemory: async () => free,
    onError: (error) => assert.fail(String(error)),
  });
}

async function readerOf(blob: ColdBlob | undefined): Promise<FileBlobReader> {
  const reader = await FileBlobReader.over(await open(file), blob);
  assert.ok(reader);
  return reader;
}

async function assertReads(reader: FileBlobReader, chunk: Buffer): Promise<void> {
  for (let position = 0; position < size; position += chunk.length) {
    const wanted = bytes.subarray(position, position + chunk.length);
    const into = chunk.subarray(0, wanted.length);
    assert.equal(await reader.read(into, position), wanted.length);
    assert.ok(into.equals(wanted), `${position}`);
  }
}

test("a pushed blob is read into the page cache if memory is free", async (t) => {
  if (skip) return t.skip(skip);
  const blob = new ColdBlob(file, size, 0);
  const filler = fillerWith(24 * 1024 * mebibyte);
  filler.add(blob);
  await filler.filled();
  assert.ok(!blob.isColdAt(0));
  assert.ok(!blob.isColdAt(size - 1));
  const resident = residentBytes();
  if (resident !== undefined) assert.ok(resident >= size, `${resident}`);
});

test("with 512 MB, most of it used, a pushed blob stays out of the page cache", async (t) => {
  if (skip) return t.skip(skip);
  const blob = new ColdBlob(file, size, 0);
  // A quarter of it is less than the blob.
  const filler = fillerWith(120 * mebibyte);
  filler.add(blob);
  await filler.filled();
  assert.ok(blob.isColdAt(0));
  const reader = await readerOf(blob);
  await assertReads(reader, Buffer.from(alignedBuffer(2 * mebibyte)));
  await reader.close();
  const resident = residentBytes();
  if (resident !== undefined) assert.ok(resident < mebibyte, `${resident}`);
});

test("the page cache is filled only while the disk is idle", async () => {
  let looks = 0;
  let isBusy = true;
  const filler = fillerWith(24 * 1024 * mebibyte, () => {
    looks++;
    return isBusy;
  });
  const blob = new ColdBlob(file, size, 0);
  filler.add(blob);
  while (looks < 10) await pause(5);
  assert.equal(blob.cachedBytes, 0);
  isBusy = false;
  await filler.filled();
  assert.equal(blob.cachedBytes, size);
});

test("closing ends a fill that waits, and a removed blob is passed over", async () => {
  const waiting = fillerWith(24 * 1024 * mebibyte, () => true);
  waiting.add(new ColdBlob(file, size, 0));
  await waiting.close();
  const filler = new CacheFiller({
    open: async () => undefined,
    isDiskBusy: () => false,
    freeMemory: async () => 24 * 1024 * mebibyte,
    onError: (error) => assert.fail(String(error)),
  });
  const removed = new ColdBlob(file, size, 0);
  filler.add(removed);
  await filler.filled();
  assert.equal(removed.cachedBytes, 0);
});

test("a reader gets the right bytes, around the page cache or through it", async () => {
  for (const cachedBytes of [0, 8 * mebibyte, 8 * mebibyte + 123, size]) {
    for (const chunkBytes of [2 * mebibyte, 1000 * 1000, 4096]) {
      const blob = new ColdBlob(file, size, cachedBytes);
      const reader = await readerOf(blob);
      await assertReads(reader, Buffer.from(alignedBuffer(chunkBytes)).subarray(0, chunkBytes));
      await reader.close();
    }
    const reader = await readerOf(new ColdBlob(file, size, cachedBytes));
    // Memory that begins anywhere.
    await assertReads(reader, Buffer.alloc(mebibyte + 8).subarray(8));
    await reader.close();
  }
});

test("a blob that is pulled again and again is read through the page cache", async (t) => {
  if (skip) return t.skip(skip);
  const blob = new ColdBlob(file, size, 0);
  const reader = await readerOf(blob);
  const chunk = Buffer.from(alignedBuffer(2 * mebibyte));
  for (let turn = 0; turn < 3; turn++) await assertReads(reader, chunk);
  assert.ok(!reader.waitsAt(0));
  await reader.close();
});

const name = "a/b" as RepositoryName;
const cachedBytes = 4 * mebibyte;

/** Runs `work` with a store that has the bytes as a blob of `name`, pushed with so much free memory. */
async function withPushed(
  free: number,
  work: (storage: FilesystemStorage, digest: Digest) => Promise<void>,
): Promise<void> {
  const slabs = new SlabPool(defaultSlabs);
  const storage = await openFilesystemStorage({
    ...{ slabs, cachedBytes, threads: 1, openUploadsMax: 16, taskSecondsMax: 60 },
    rootDirectory: join(folder, "store"),
    durability: "full",
    journal: true,
    freeMemory: async () => free,
    onStray: () => {},
    onError: (error) => assert.fail(String(error)),
    create: true,
  });
  try {
    const owner = { name, opener: "test", client: "test", announced: true };
    const record = { ...owner, algorithm: "sha256", createdAt: Date.now() } as const;
    const upload = storage.uploads.begin(newSessionId(), record, { survives: false });
    const slab = slabs.take();
    assert.ok(slab !== undefined);
    for (let offset = 0; offset < size; offset += mebibyte) {
      const part = bytes.subarray(offset, offset + mebibyte);
      slabs.copyInto(slab, 0, part);
      await upload.append({ slab, start: 0, length: part.length }, offset);
    }
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}` as Digest;
    await upload.commit(name, digest, { offset: size, part: undefined });
    await work(storage, digest);
  } finally {
    await storage.close();
  }
}

test("without free memory, the store reads a blob around the page cache that was written so", async (t) => {
  if (skip) return t.skip(skip);
  await withPushed(0, async (storage, digest) => {
    const reader = await storage.blobs.open(name, digest);
    assert.ok(reader?.waitsAt);
    assert.deepEqual([reader.waitsAt(0), reader.waitsAt(cachedBytes + mebibyte)], [false, true]);
    const all = Buffer.from(alignedBuffer(size)).subarray(0, size);
    assert.equal(await reader.read(all, 0), size);
    assert.ok(all.equals(bytes));
    await reader.close();
  });
});

test("with free memory, the store soon has a pushed blob in the page cache", async () => {
  await withPushed(24 * 1024 * mebibyte, async (storage, digest) => {
    const reader = await storage.blobs.open(name, digest);
    for (;;) {
      if (!reader?.waitsAt?.(size - 1)) break;
      await pause(10);
    }
    await reader?.close();
  });
});
