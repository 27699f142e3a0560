// The file of an upload: with any pieces, through and past the page cache, it contains the written bytes.

import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import { openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { alignedMemory } from "../../src/lib/aligned-memory.js";
import { UploadFile } from "../../workers/uploads/upload-file.js";

const blockBytes = 4096;
const mebibyte = 1024 * 1024;
const cachedBytes = 4 * mebibyte;
const memory = Buffer.from(alignedMemory(mebibyte + blockBytes));
randomFillSync(memory);

/** Sizes of a body's pieces in bytes, and how often each is repeated. */
const bodies: readonly { readonly pieces: readonly number[]; readonly times: number }[] = [
  { pieces: [mebibyte], times: 12 },
  { pieces: [mebibyte - 123], times: 12 },
  { pieces: [300_001, 7, 1, 4096, mebibyte], times: 14 },
  { pieces: [128 * 1024, 128 * 1024 - 1, 8191], times: 60 },
];

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-upload-file-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

for (const durable of [true, false]) {
  test(`an upload's file has the written bytes, ${durable ? "to be synced" : "not to be synced"}`, () =>
    inFolder(async (folder) => {
      for (const [number, { pieces, times }] of bodies.entries()) {
        const path = join(folder, `${number}`);
        const file = new UploadFile(path, openSync(path, "w+"), { blockBytes, cachedBytes, durable });
        const written: Buffer[] = [];
        let position = 0;
        for (let turn = 0; turn < times; turn++) {
          for (const length of pieces) {
            const start = position % blockBytes;
            const bytes = memory.subarray(start, start + length);
            bytes.writeUInt8(turn);
            written.push(Buffer.from(bytes));
            await file.write(bytes, position);
            position += length;
          }
        }
        await file.sync();
        file.close();
        assert.ok((await readFile(path)).equals(Buffer.concat(written)), `${pieces}`);
      }
    }));
}

test("both descriptors of a large upload are closed with it", () =>
  inFolder(async (folder) => {
    const path = join(folder, "large");
    const file = new UploadFile(path, openSync(path, "w+"), { blockBytes, cachedBytes, durable: true });
    for (let position = 0; position < 10 * mebibyte; position += mebibyte)
      await file.write(memory.subarray(0, mebibyte), position);
    const open = () => readdirSync("/proc/self/fd").filter((number) => pathOf(number) === path).length;
    assert.ok(open() > 0);
    file.close();
    assert.equal(open(), 0);
    assert.equal(readFileSync(path).length, 10 * mebibyte);
  }));

function pathOf(descriptor: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    // The descriptor used to list the directory.
    return undefined;
  }
}
