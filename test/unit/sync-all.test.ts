// What a checkpoint syncs if coreutils' sync is killed, missing or cannot be started.

import assert from "node:assert/strict";
import childProcess, { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, mock, test } from "node:test";
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
  try {
    for (const script of scripts) {
      await writeFile(join(folder, "sync"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      asked.push(0);
      await all.run(async function* () {
        asked[asked.length - 1] = (asked.at(-1) ?? 0) + 1;
        yield join(folder, "sync");
      });
    }
  } finally {
    await all.close();
  }
  return asked;
}

test("one shell runs all syncs, and ends with the store", async () => {
  const file = join(folder, "shells");
  await writeFile(file, "");
  assert.deepEqual(await run(`echo $PPID >> ${file}`, `echo $PPID >> ${file}`), [0, 0]);
  const [first, second] = (await readFile(file, "utf8")).split("\n");
  assert.ok(first !== undefined && first === second);
  assert.throws(() => process.kill(Number(first), 0), { code: "ESRCH" });
});

test("if the shell is killed, each file is synced, and the next checkpoint starts another", async () => {
  assert.deepEqual(await run("kill -KILL $PPID", "exit 0"), [1, 0]);
});

test("a killed sync is no failed one: each file is synced, and the next checkpoint runs it again", async () => {
  assert.deepEqual(await run("kill -KILL $$", "exit 0", "kill -TERM $$", "exit 0"), [1, 0, 1, 0]);
});

test("a sync without the option is not run again", async () => {
  assert.deepEqual(await run("echo \"sync: unrecognized option '-f'\" >&2; exit 1", "exit 0"), [1, 1]);
});

test("without a shell, each file is synced", async () => {
  const all = new SyncAll([folder], new Syncs("full"));
  const path = process.env.PATH;
  process.env.PATH = "/nonexistent";
  let asked = 0;
  try {
    await all.run(async function* () {
      asked++;
      yield folder;
    });
    await all.close();
  } finally {
    process.env.PATH = path;
  }
  assert.equal(asked, 1);
});

test("without a descriptor for the shell, each file is synced, and the next checkpoint starts one", async () => {
  execFileSync("prlimit", ["--pid", String(process.pid), "--nofile=200:"]);
  await writeFile(join(folder, "sync"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  const all = new SyncAll([folder], new Syncs("full"));
  const asked: number[] = [];
  const checkpoint = () =>
    all.run(async function* () {
      asked.push(held.length);
      yield join(folder, "sync");
    });
  const held: number[] = [];
  try {
    assert.throws(
      () => {
        for (;;) held.push(openSync("/dev/null", "r"));
      },
      { code: "EMFILE" },
    );
    // Enough for a file and its folder, but not for the pipes of a program.
    for (const descriptor of held.splice(-2)) closeSync(descriptor);
    await checkpoint();
    assert.equal(asked.length, 1);
    for (const descriptor of held.splice(0)) closeSync(descriptor);
    await checkpoint();
    assert.equal(asked.length, 1);
  } finally {
    for (const descriptor of held) closeSync(descriptor);
    await all.close();
  }
});

test("if no program can be started for want of memory, each file is synced", async () => {
  const all = new SyncAll([folder], new Syncs("full"));
  const spawning = mock.method(childProcess, "spawn", () => {
    throw Object.assign(new Error("spawn ENOMEM"), { code: "ENOMEM" });
  });
  syncBuiltinESMExports();
  let asked = 0;
  try {
    await all.run(async function* () {
      asked++;
      yield folder;
    });
  } finally {
    spawning.mock.restore();
    syncBuiltinESMExports();
    await all.close();
  }
  assert.equal(asked, 1);
});

test("a sync that fails fails the checkpoint", async () => {
  await assert.rejects(run("echo 'sync: error syncing: Input/output error' >&2; exit 1"), { code: "EIO" });
});
