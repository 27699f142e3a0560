// Durable directories: a sync that began after its call covers each caller, and callers during a sync share the next one.

import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Directories } from "../../src/storage/filesystem/sync.js";

const root = await mkdtemp(join(tmpdir(), "gantry-directories-"));
after(() => rm(root, { recursive: true, force: true }));

async function newFolder(name: string): Promise<string> {
  const folder = join(root, name);
  await mkdir(folder);
  return folder;
}

test("callers that ask during a sync share the next one", async () => {
  const directories = new Directories(root, "full");
  const folder = await newFolder("shared");
  const first = directories.sync(folder);
  const others = Array.from({ length: 50 }, () => directories.sync(folder));
  await first;
  assert.equal(directories.syncs.directories.count, 1);
  await Promise.all(others);
  assert.equal(directories.syncs.directories.count, 2);
});

test("a sync that ran before the call does not count for it", async () => {
  const directories = new Directories(root, "full");
  const folder = await newFolder("again");
  for (const count of [1, 2, 3]) {
    await directories.sync(folder);
    assert.equal(directories.syncs.directories.count, count);
  }
});

test("each round of callers during the previous sync costs one sync", async () => {
  const directories = new Directories(root, "full");
  const folder = await newFolder("rounds");
  let running = directories.sync(folder);
  for (let round = 0; round < 5; round++) {
    const asked = Array.from({ length: 10 }, () => directories.sync(folder));
    await running;
    running = Promise.all(asked).then(() => {});
  }
  await running;
  assert.equal(directories.syncs.directories.count, 6);
});

test("syncs of different directories do not wait for each other", async () => {
  const directories = new Directories(root, "full");
  const folders = await Promise.all(["one", "two", "three"].map(newFolder));
  await Promise.all(folders.map((folder) => directories.sync(folder)));
  assert.equal(directories.syncs.directories.count, 3);
});

test("a failed sync rejects for its callers, and the next one tries again", async () => {
  const directories = new Directories(root, "full");
  const folder = join(root, "late");
  await assert.rejects(directories.sync(folder), { code: "ENOENT" });
  const both = [directories.sync(folder), directories.sync(folder)];
  for (const result of await Promise.allSettled(both)) assert.equal(result.status, "rejected");
  await mkdir(folder);
  await directories.sync(folder);
});

test("ensuring a directory creates its parents and syncs each of them once", async () => {
  const directories = new Directories(root, "full");
  const folder = join(root, "x", "y", "z");
  await Promise.all([
    directories.ensure(folder),
    directories.ensure(folder),
    directories.ensure(join(root, "x")),
  ]);
  assert.ok((await stat(folder)).isDirectory());
  assert.equal(directories.syncs.directories.count, 3);
  assert.equal(directories.ensure(folder), undefined, "a known directory needs no waiting");
});

test("a directory of an earlier process has its parent synced, too", async () => {
  const folder = await newFolder("earlier");
  const directories = new Directories(root, "full");
  await directories.ensure(folder);
  assert.equal(directories.syncs.directories.count, 1);
});

test("relaxed durability syncs nothing", async () => {
  const directories = new Directories(root, "relaxed");
  await directories.ensure(join(root, "p", "q"));
  await directories.sync(root);
  assert.equal(directories.syncs.directories.count, 0);
});

test("a file can be written into a directory although empty ones are removed concurrently", async () => {
  const directories = new Directories(root, "full");
  let removed = 0;
  for (let round = 0; round < 300; round++) {
    const folder = join(root, "coming", "and", "going");
    const prune = async () => {
      for (
        let path = folder;
        path !== root && (await directories.removeIfEmpty(path));
        path = join(path, "..")
      )
        removed++;
    };
    // Each at another moment of the creation.
    const pruneLater = async () => {
      for (let turn = 0; turn < round % 12; turn++) await stat(root);
      await prune();
    };
    const write = () => directories.within([folder], () => writeFile(join(folder, "file"), "x"));
    await Promise.all([write(), pruneLater(), prune()]);
    await rm(join(folder, "file"));
    await prune();
  }
  assert.ok(removed > 300);
  directories.syncs.close();
});

/** Returns the path of an open directory, with the suffix that Linux adds if it was removed. */
function openedAs(folder: string): string[] {
  return readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${descriptor}`);
      return path.startsWith(folder) ? [path] : [];
    } catch {
      return [];
    }
  });
}

test("a directory stays open for the next sync until it is replaced", async () => {
  const directories = new Directories(root, "full");
  const folder = join(root, "kept");
  await directories.ensure(folder);
  await directories.sync(folder);
  assert.deepEqual(openedAs(folder), [folder]);
  await rm(folder, { recursive: true });
  await mkdir(folder);
  await directories.sync(folder);
  assert.deepEqual(openedAs(folder), [folder]);
  directories.syncs.close();
});
