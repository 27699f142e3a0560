// Hashing a file, completely or its start, in steps that let other tasks run.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { newHasher } from "../../src/domain/hash.js";
import { hashFile } from "../../workers/uploads/hash-file.js";
import { digestOf } from "../support/content.js";

const mebibyte = 1024 * 1024;
const bytes = randomBytes(9 * mebibyte + 5);
const folder = await mkdtemp(join(tmpdir(), "gantry-hash-"));
after(() => rm(folder, { recursive: true, force: true }));
const path = join(folder, "file");
await writeFile(path, bytes);

const cases: readonly [bytesMax: number, found: number][] = [
  [0, 0],
  [1, 1],
  [mebibyte, mebibyte],
  [5 * mebibyte + 3, 5 * mebibyte + 3],
  [bytes.length, bytes.length],
  [bytes.length + 1, bytes.length],
  [Number.POSITIVE_INFINITY, bytes.length],
];
for (const [bytesMax, found] of cases) {
  test(`at most ${bytesMax} of ${bytes.length} bytes are hashed`, async () => {
    await using file = await open(path);
    const hasher = await newHasher("sha256");
    assert.equal(await hashFile(file.fd, hasher, bytesMax), found);
    assert.equal(`sha256:${hasher.hex()}`, digestOf(bytes.subarray(0, found)));
  });
}

test("other tasks run while a file is hashed", async () => {
  await using file = await open(path);
  let turns = 0;
  let over = false;
  const count = () => {
    turns++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  await hashFile(file.fd, await newHasher("sha256"), Number.POSITIVE_INFINITY);
  over = true;
  assert.ok(turns >= 9, `${turns} turns while 9 MiB were hashed`);
});
