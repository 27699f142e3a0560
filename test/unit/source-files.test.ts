// Files of a directory that another program may change while it is imported.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readFileBytes, readSmall } from "../../src/transfer/files.js";
import { SourceError } from "../../src/transfer/source.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-source-files-"));
after(() => rm(folder, { recursive: true, force: true }));

async function read(file: string, size: number): Promise<string> {
  const chunks = [];
  for await (const chunk of readFileBytes(file, size, new AbortController().signal)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test("a file is read up to the size that it had", async () => {
  const file = `${folder}/file`;
  await writeFile(file, "12345");
  assert.equal(await read(file, 5), "12345");
  await assert.rejects(read(file, 4), /grew beyond 4 bytes/);
});

test("a named pipe in the place of a file is not awaited", async () => {
  const pipe = `${folder}/pipe`;
  execFileSync("mkfifo", [pipe]);
  await assert.rejects(read(pipe, 5), SourceError);
});

test("a device or named pipe in the place of a small file is not read", async () => {
  await assert.rejects(readSmall("/dev/zero", 1000), /is not a file/);
  await assert.rejects(readSmall(`${folder}/pipe`, 1000), /is not a file/);
});
