// Files that are reloaded when they change.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, open, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { followFiles } from "../../src/config/followed-files.js";
import { eventually } from "../support/store.js";

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-followed-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Follows files, and records the callbacks. */
async function follow(...paths: string[]) {
  return followEvery(5, ...paths);
}

async function followEvery(everyMilliseconds: number, ...paths: string[]) {
  const taken: string[] = [];
  const broken: unknown[] = [];
  const following = await followFiles(paths, {
    take: async (texts) => {
      if (texts.includes("broken")) throw new Error("cannot be parsed");
      taken.push(texts.join());
    },
    onBroken: (error) => broken.push(error),
    everyMilliseconds,
  });
  after(() => following.stop());
  const isTaken = (text: string) => eventually(text, () => (taken.at(-1) === text ? true : undefined));
  return { taken, broken, following, isTaken };
}

test("a file is reloaded however it is changed", async () => {
  const folder = await newFolder();
  const path = `${folder}/file`;
  await writeFile(path, "first");
  const { isTaken, broken } = await follow(path);
  await isTaken("first");
  await writeFile(path, "again");
  await isTaken("again");
  await writeFile(`${folder}/new`, "renamed");
  await rename(`${folder}/new`, path);
  await isTaken("renamed");
  assert.deepEqual(broken, []);
});

test("a file below a replaced link is another file", async () => {
  const folder = await newFolder();
  for (const version of ["v1", "v2"]) {
    await mkdir(`${folder}/${version}`);
    await writeFile(`${folder}/${version}/file`, version);
  }
  await symlink("v1", `${folder}/current`);
  const { isTaken } = await follow(`${folder}/current/file`);
  await symlink("v2", `${folder}/next`);
  await rename(`${folder}/next`, `${folder}/current`);
  await isTaken("v2");
});

test("a file is not reloaded before it is completely written", async () => {
  const path = `${await newFolder()}/file`;
  await writeFile(path, "first");
  const { isTaken, taken } = await followEvery(100, path);
  const handle = await open(path, "w");
  const parts = "written slowly, by a program that takes its time".split(" ");
  for (const part of parts) {
    await handle.write(`${part} `);
    await pause(1);
  }
  await handle.close();
  await isTaken(`${parts.join(" ")} `);
  assert.deepEqual(taken, ["first", `${parts.join(" ")} `]);
});

test("several files are reloaded together", async () => {
  const folder = await newFolder();
  const [one, two] = [`${folder}/one`, `${folder}/two`];
  await writeFile(one, "1");
  await writeFile(two, "2");
  const { isTaken } = await follow(one, two);
  await isTaken("1,2");
  await writeFile(two, "3");
  await isTaken("1,3");
});

test("a broken or missing file is reported once, and the previous content stays in effect", async () => {
  const path = `${await newFolder()}/file`;
  await writeFile(path, "first");
  const { isTaken, taken, broken } = await follow(path);
  await writeFile(path, "broken");
  await eventually("the broken file is reported", () => broken[0]);
  await unlink(path);
  await eventually("the missing file is reported", () => broken[1]);
  await writeFile(path, "second");
  await isTaken("second");
  assert.deepEqual(taken, ["first", "second"]);
  assert.equal(broken.length, 2);
});

test("a named pipe in the place of a file is reported, and the next file is loaded", async () => {
  const path = `${await newFolder()}/file`;
  await writeFile(path, "first");
  const { following, isTaken, broken } = await follow(path);
  await unlink(path);
  execFileSync("mkfifo", [path]);
  assert.match(String(await eventually("the pipe is reported", () => broken[0])), /is not a file/);
  await unlink(path);
  await writeFile(path, "second");
  await isTaken("second");
  await following.stop();
});

test("a stop does not wait for a reload that hangs, which is not applied later", async () => {
  const path = `${await newFolder()}/file`;
  await writeFile(path, "first");
  let begun = false;
  let fail: () => void = () => {};
  const broken: unknown[] = [];
  const following = await followFiles([path], {
    take: async ([text]) => {
      if (text === "first") return;
      begun = true;
      await new Promise((_, reject) => {
        fail = () => reject(new Error("late"));
      });
    },
    onBroken: (error) => broken.push(error),
    everyMilliseconds: 5,
  });
  await writeFile(path, "second");
  await eventually("the reload begins", () => begun || undefined);
  await following.stop();
  fail();
  await pause(10);
  assert.deepEqual(broken, []);
});

test("the first load must succeed", async () => {
  const folder = await newFolder();
  await assert.rejects(follow(`${folder}/none`), { code: "ENOENT" });
  await writeFile(`${folder}/file`, "broken");
  await assert.rejects(follow(`${folder}/file`), /cannot be parsed/);
});

test("nothing is reported after a stop", async () => {
  const path = `${await newFolder()}/file`;
  await writeFile(path, "first");
  const { following, taken } = await follow(path);
  const other = await follow(path);
  await following.stop();
  await writeFile(path, "second");
  await other.isTaken("second");
  assert.deepEqual(taken, ["first"]);
});
