// Folders that are created with their parents.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { makeFolders } from "../../src/storage/make-folders.js";

const root = await mkdtemp(join(tmpdir(), "gantry-folders-"));
after(() => rm(root, { recursive: true, force: true }));

test("the missing folders are created, and the first one is returned", async () => {
  assert.equal(await makeFolders(join(root, "a/b/c"), 0o700), join(root, "a"));
  assert.equal((await stat(join(root, "a/b/c"))).mode & 0o777, 0o700);
  assert.equal(await makeFolders(join(root, "a/b/c")), undefined);
  assert.equal(await makeFolders(join(root, "a/b/d")), join(root, "a/b/d"));
});

test("concurrent callers all succeed", async () => {
  await Promise.all(Array.from({ length: 8 }, () => makeFolders(join(root, "many/x/y"))));
  assert.ok((await stat(join(root, "many/x/y"))).isDirectory());
});

test("a link to a folder is one, and a file or a dangling link is none", async () => {
  await mkdir(join(root, "real"));
  await symlink("real", join(root, "link"));
  assert.equal(await makeFolders(join(root, "link")), undefined);
  await writeFile(join(root, "file"), "");
  await assert.rejects(makeFolders(join(root, "file")), { code: "EEXIST" });
  await assert.rejects(makeFolders(join(root, "file/x")), { code: "ENOTDIR" });
  await symlink("missing", join(root, "dangling"));
  await assert.rejects(makeFolders(join(root, "dangling")), { code: "EEXIST" });
});

for (const path of ["/proc/gantry", "/proc/gantry/below"])
  test(`${path} is refused instead of tried for ever`, { skip: process.platform !== "linux" }, async () => {
    await assert.rejects(makeFolders(path), { code: "ENOENT" });
  });
