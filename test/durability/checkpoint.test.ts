// A checkpoint of the journal, seen by strace: all files are synced before the mark moves, with coreutils' sync and without.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { eventually } from "../support/store.js";
import { type Call, skip, startTraced, type TracedServer } from "./trace.js";

/** Returns a search path with a script in the place of coreutils' sync. */
async function withSync(script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-no-sync-"));
  after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "sync"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return `${folder}:${process.env.PATH}`;
}

const settings = { REGISTRY_STORAGE_FILESYSTEM_CHECKPOINT: "1s" };

const isMark = ({ name, path }: Call) => name === "fdatasync" && /\/journal\/mark$/.test(path ?? "");

/** Pushes an image, and returns the calls up to the next mark. On a slow machine, one may move during the push as well. */
async function callsOfCheckpoint(server: TracedServer, name: string): Promise<readonly Call[]> {
  await server.calls();
  const made = image();
  await new Client(server.url).pushImage(name, made, "latest");
  const calls: Call[] = [];
  await eventually("the mark moves", async () => {
    calls.push(...(await server.calls()));
    const pushed = calls.findLastIndex(({ parameters }) => parameters.includes("HTTP/1.1 201"));
    return calls.findLastIndex(isMark) > pushed ? true : undefined;
  });
  return calls.slice(0, calls.findLastIndex(isMark) + 1);
}

test("a checkpoint syncs the whole file system, then moves the mark", { skip }, async () => {
  await using server = await startTraced(settings);
  const calls = await callsOfCheckpoint(server, newName());
  assert.ok(calls.some(({ name }) => name === "syncfs"));
  assert.deepEqual(
    calls.filter(({ name, path }) => /^f(data)?sync$/.test(name) && !/\/journal(\/|$)/.test(path ?? "")),
    [],
  );
});

for (const [when, script] of [
  ["without coreutils' sync", "echo \"sync: unrecognized option '-f'\" >&2; exit 1"],
  ["if sync is killed", "kill -KILL $$"],
] as const) {
  test(`${when}, a checkpoint syncs each file and folder that was changed, then moves the mark`, {
    skip,
  }, async () => {
    await using server = await startTraced({ ...settings, PATH: await withSync(script) });
    await checkSyncedOneByOne(server);
  });
}

async function checkSyncedOneByOne(server: TracedServer): Promise<void> {
  const name = newName();
  const calls = await callsOfCheckpoint(server, name);
  const synced = new Set(
    calls.flatMap(({ name: call, path }) =>
      call === "fsync" ? (path?.slice(server.root.length + 1) ?? []) : [],
    ),
  );
  const tag = `manifests/${name}/tags/latest`;
  for (const path of [
    `blobs/${name}`,
    `manifests/${name}`,
    `manifests/${name}/tags`,
    ...[tag, `${tag}/manifest`, `${tag}/manifest.sha256`],
    "blobs",
    "manifests",
  ])
    assert.ok(synced.has(path), `${path} is synced; these are: ${[...synced].join(", ")}`);
  assert.equal([...synced].filter((path) => path.startsWith(`blobs/${name}/`)).length, 2);
}
