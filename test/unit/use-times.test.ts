// When cached content was last used: kept across restarts and crashes, merged between nodes, bounded.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Digest, parseDigest } from "../../src/domain/digest.js";
import { UseTimes } from "../../src/upstream/use-times.js";
import { blobOf } from "../support/content.js";
import { memoryStorage } from "../support/memory-storage.js";

function newDigest(): Digest {
  return parseDigest(blobOf(10).digest);
}

const day = 86_400_000;
const yesterday = Math.floor(Date.now() / 1000) * 1000 - day;

test("times survive a restart, to the second, also those of other algorithms", async () => {
  const { notes } = memoryStorage();
  const digests = [newDigest(), parseDigest(blobOf(10, "sha512").digest)];
  const before = new UseTimes();
  for (const digest of digests) before.note(digest, yesterday + 999);
  await before.save(notes, true);
  const after = new UseTimes();
  await after.restore(notes);
  for (const digest of digests) assert.equal(after.lastOf(digest), yesterday);
});

test("unknown content counts as used when the first process started, across orderly restarts", async () => {
  const { notes } = memoryStorage();
  const first = new UseTimes();
  const unknown = newDigest();
  const at = first.lastOf(unknown);
  assert.ok(Date.now() - at < 1000);
  await first.save(notes, true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const second = new UseTimes();
  await second.restore(notes);
  assert.equal(second.lastOf(unknown), at);
});

test("after a crash, unknown content counts as used now: it may have been fetched right before", async () => {
  const { notes } = memoryStorage();
  const [known, unknown] = [newDigest(), newDigest()];
  const first = new UseTimes();
  first.note(known, yesterday);
  await first.save(notes);
  first.note(unknown, yesterday);
  const second = new UseTimes();
  await second.restore(notes);
  assert.equal(second.lastOf(known), yesterday);
  assert.ok(Date.now() - second.lastOf(unknown) < 1000);
});

test("a damaged note counts as none", async () => {
  const { notes } = memoryStorage();
  const first = new UseTimes();
  const digest = newDigest();
  first.note(digest, yesterday);
  await first.save(notes, true);
  const saved = await notes.read("upstream-uses");
  for (const bytes of [saved?.subarray(0, -1), Buffer.from("something else"), Buffer.alloc(0)]) {
    await notes.put("upstream-uses", bytes ?? Buffer.alloc(0));
    const second = new UseTimes();
    await second.restore(notes);
    assert.ok(second.lastOf(digest) > yesterday);
  }
});

test("nodes add their times to the note, and the later one counts", async () => {
  const { notes } = memoryStorage();
  const [one, two] = [new UseTimes(), new UseTimes()];
  const [ofOne, ofBoth] = [newDigest(), newDigest()];
  one.note(ofOne, yesterday);
  one.note(ofBoth, yesterday);
  await one.save(notes);
  two.note(ofBoth, yesterday + 5000);
  await two.save(notes);
  await one.refresh(notes);
  for (const node of [one, two]) {
    assert.equal(node.lastOf(ofOne), yesterday);
    assert.equal(node.lastOf(ofBoth), yesterday + 5000);
  }
});

test("the number of times is bounded: the longest unused are forgotten, and count as used when the last of them was", () => {
  const uses = new UseTimes(2);
  const digests = [newDigest(), newDigest(), newDigest(), newDigest()];
  const future = Date.now() + day;
  for (const [index, digest] of digests.entries()) uses.note(digest, future + index);
  assert.deepEqual(
    digests.map((digest) => uses.lastOf(digest) - future),
    [1, 1, 2, 3],
  );
});
