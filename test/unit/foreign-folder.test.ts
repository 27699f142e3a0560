// Which folders may become a store.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { refuseForeignFolder } from "../../src/storage/filesystem/foreign-folder.js";
import { Layout } from "../../src/storage/filesystem/layout.js";

const store = ["blobs/", "manifests/", "content/", "uploads/"];

const used: readonly (readonly [string, readonly string[]])[] = [
  ["an empty folder", []],
  ["a new file system", ["lost+found/"]],
  ["the home of a new user", [".profile", ".ssh/"]],
  ["what a killed first start leaves", ["lock", "uploads/"]],
  ["what a power failure leaves of a new store", ["lock", "journal/", "notes/"]],
  ["a store", [...store, "lock", "records/", "notes/", "secrets/", "journal/"]],
  ["a store with a stray file", [...store, "users"]],
  ["a restored backup", ["blobs/", "manifests/", "content/", "robots/", "secrets/"]],
  ["a store of CNCF distribution", ["docker/registry/v2/"]],
];

const refused: readonly (readonly [string, readonly string[]])[] = [
  ["a source folder", ["lock", "package.json", "src/"]],
  ["a folder with one name of a store", ["content/", "config.toml"]],
  ["files with the names of a store", ["blobs", "manifests", "content", "uploads", "x"]],
  ["somebody else's records", ["records/r", "x"]],
  ["Docker's settings", ["docker/config.json"]],
];

async function lay(paths: readonly string[]): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "gantry-foreign-"));
  for (const path of paths) {
    await mkdir(join(root, path.endsWith("/") ? path : dirname(path)), { recursive: true });
    if (!path.endsWith("/")) await writeFile(join(root, path), "");
  }
  return root;
}

for (const [name, paths] of used)
  test(`${name} may be used`, async () => {
    const root = await lay(paths);
    await refuseForeignFolder(new Layout(root)).finally(() => rm(root, { recursive: true }));
  });

for (const [name, paths] of refused)
  test(`${name} is refused, unchanged`, async () => {
    const root = await lay(paths);
    const before = await readdir(root, { recursive: true });
    await assert.rejects(
      refuseForeignFolder(new Layout(root)),
      /has other content, such as ".+", and no store/,
    );
    assert.deepEqual(await readdir(root, { recursive: true }), before);
    await rm(root, { recursive: true });
  });
