// What a checkpoint syncs if coreutils' sync is killed or missing.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SyncAll } from "../../src/storage/filesystem/journal/sync-all.js";
import { Syncs } from "../../src/storage/filesystem/syncs.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-sync-all-"));
const before = process.env.PATH;
after(async () => {
  process.env.PATH = before;
  await rm(folder, { recursive: true, force: true });
});
process.env.PATH = `${folder}:${before}`;

/** Runs checkpoints with each of the scripts in the place of sync. Returns how often each file was asked for. */
async function run(...scripts: readonly string[]): Promise<number[]> {
  const all = new SyncAll([folder], new Syncs("full"));
  const asked: number[] = [];
  for (const script of scripts) {
    await writeFile(join(folder, "sync"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    asked.push(0);
    await all.run(async function* () {
      asked[asked.length - 1] = (asked.at(-1) ?? 0) + 1;
      yield join(folder, "sync");
    });
  }
  return asked;
}

test("a killed sync is no failed one: each file is synced, and the next checkpoint runs it again", async () => {
  assert.deepEqual(await run("kill -KILL $$", "exit 0", "kill -TERM $$", "exit 0"), [1, 0, 1, 0]);
});

test("a sync without the option is not run again", async () => {
  assert.deepEqual(await run("echo \"sync: unrecognized option '-f'\" >&2; exit 1", "exit 0"), [1, 1]);
});

test("a sync that fails fails the checkpoint", async () => {
  await assert.rejects(run("echo 'sync: error syncing: Input/output error' >&2; exit 1"), { code: "EIO" });
});
