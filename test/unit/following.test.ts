// A node that follows the fetch of another one: what it is told are hints, and the stored blob decides.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { BlobChunks } from "../../src/cache/blob-chunks.js";
import { SlabPool } from "../../src/lib/slab-pool.js";
import { Turns } from "../../src/lib/turns.js";
import { openMemoryStorage } from "../../src/storage/memory/open.js";
import type { BlobReader } from "../../src/storage/storage.js";
import { Following } from "../../src/upstream/following.js";
import { GrowingBlob } from "../../src/upstream/growing-blob.js";
import { serializeProgress } from "../../src/upstream/progress.js";

const storage = openMemoryStorage(new SlabPool());
const size = 1000;

/** A following with slices in memory, and one client that has requested the whole blob. */
function start() {
  const kept = new Map<string, Buffer>();
  let reads = 0;
  const slices = {
    put: async () => assert.fail("a follower stores nothing"),
    read: async (fetch: string, position: number) => {
      reads++;
      return kept.get(`${fetch}/${position}`);
    },
    remove: () => assert.fail("a follower removes nothing"),
  };
  let growing: GrowingBlob | undefined;
  let whole: Promise<Buffer> | undefined;
  const following = new Following(slices, new Turns(1), (bytes) => {
    growing = new GrowingBlob(bytes, storage.uploads.openScratchFile(), new BlobChunks());
    const { reader } = growing.hold();
    const into = Buffer.alloc(bytes);
    whole = reader.read(into, 0).then(() => into);
    whole.catch(() => {});
    return growing;
  });
  return {
    following,
    kept,
    reads: () => reads,
    received: () => growing?.received ?? 0,
    whole: () => whole ?? assert.fail("nothing is followed"),
    /** Another node has stored these bytes of an attempt, and tells so. */
    tell: (fetch: string, bytes: Buffer, { isVerified = false, stored = bytes.length, of = size } = {}) => {
      kept.set(`${fetch}/0`, bytes.subarray(0, 300));
      kept.set(`${fetch}/300`, bytes.subarray(300));
      following.note(serializeProgress({ fetch, size: of, stored, isVerified }));
    },
  };
}

/** The stored blob, with the positions that are read. */
function stored(bytes: Buffer) {
  const positions: number[] = [];
  const reader: BlobReader = {
    size: bytes.length,
    read: async (into, position) => {
      positions.push(position);
      return bytes.copy(into, 0, position);
    },
    close: async () => {},
  };
  return { positions, open: async () => reader };
}

async function until(look: () => boolean): Promise<void> {
  for (let turns = 0; !look(); turns++) {
    assert.ok(turns < 1000, "not in time");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("bytes of a verified attempt are not read again, and the rest comes from the storage", async () => {
  const bytes = randomBytes(size);
  const { following, tell, received, whole } = start();
  tell("a", bytes.subarray(0, 700));
  await until(() => received() === 700);
  tell("a", bytes.subarray(0, 700), { isVerified: true });
  const blob = stored(bytes);
  await following.finish(blob.open);
  assert.deepEqual(await whole(), bytes);
  assert.deepEqual(blob.positions, [700]);
});

test("bytes of an attempt whose end is unknown are compared with the stored blob", async () => {
  const bytes = randomBytes(size);
  const { following, tell, received, whole } = start();
  tell("a", bytes.subarray(0, 700));
  await until(() => received() === 700);
  const blob = stored(bytes);
  await following.finish(blob.open);
  assert.deepEqual(await whole(), bytes);
  assert.equal(blob.positions[0], 0);
});

test("a client never gets a complete body of another attempt's bytes", async () => {
  const { following, tell, received, whole } = start();
  tell("a", randomBytes(size));
  await until(() => received() === size);
  await following.finish(stored(randomBytes(size)).open);
  await assert.rejects(whole());
});

test("a new attempt must begin with the bytes that clients have", async () => {
  const bytes = randomBytes(size);
  const same = start();
  same.tell("a", bytes.subarray(0, 500));
  await until(() => same.received() === 500);
  same.tell("b", bytes.subarray(0, 900));
  await until(() => same.received() === 900);
  const other = start();
  other.tell("a", bytes.subarray(0, 500));
  await until(() => other.received() === 500);
  other.tell("b", randomBytes(900));
  await assert.rejects(other.whole(), { kind: "digest-mismatch" });
});

test("a blob that is announced with another size breaks the readers", async () => {
  const bytes = randomBytes(size);
  const { tell, whole } = start();
  tell("a", bytes.subarray(0, 500));
  tell("b", bytes.subarray(0, 500), { of: size + 1 });
  await assert.rejects(whole(), { kind: "upstream-failed" });
});

test("a slice that is gone is asked for once per note, and the storage has all bytes in the end", async () => {
  const bytes = randomBytes(size);
  const { following, kept, tell, reads, whole } = start();
  tell("a", bytes.subarray(0, 500));
  kept.clear();
  await until(() => reads() === 1);
  tell("a", bytes.subarray(0, 600), { isVerified: true });
  kept.clear();
  await until(() => reads() === 2);
  await following.finish(stored(bytes).open);
  assert.deepEqual(await whole(), bytes);
});

test("a blob that is removed before the end breaks the readers, as does a failed fetch", async () => {
  const removed = start();
  removed.tell("a", randomBytes(500));
  await removed.following.finish(async () => undefined);
  await assert.rejects(removed.whole(), { kind: "storage-unavailable" });
  const failed = start();
  failed.tell("a", randomBytes(500));
  await failed.following.fail(new Error("wanted"));
  await assert.rejects(failed.whole(), /wanted/);
});

test("malformed notes are ignored", async () => {
  const { following, reads } = start();
  for (const text of ["", "[]", "{}", '{"fetch":"a","size":-1,"stored":0,"isVerified":true}'])
    following.note(text);
  await following.finish(async () => undefined);
  assert.equal(reads(), 0);
});
