// The catalog's cache of large folders never returns an outdated list.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CatalogFolders } from "../../workers/survey/catalog-folders.js";

const wide = 300;

async function folderOf(count: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-catalog-"));
  after(() => rm(folder, { recursive: true, force: true }));
  for (let index = 0; index < count; index++) await mkdir(join(folder, `app-${index}`));
  return folder;
}

/** As if the folder had been unchanged for a minute. */
async function settle(folder: string): Promise<void> {
  const then = new Date(Date.now() - 60_000);
  await utimes(folder, then, then);
}

function counting() {
  let reads = 0;
  const folders = new CatalogFolders((folder) => {
    reads++;
    return readdirSync(folder, { withFileTypes: true });
  });
  return { folders, reads: () => reads };
}

test("an unchanged large folder is read once", async () => {
  const folder = await folderOf(wide);
  await settle(folder);
  const { folders, reads } = counting();
  const first = folders.places(folder);
  assert.equal(first.length, 2 * wide);
  assert.equal(folders.places(folder), first);
  assert.equal(reads(), 1);
});

test("additions to and removals from a cached folder are seen at once", async () => {
  const folder = await folderOf(wide);
  await settle(folder);
  const { folders } = counting();
  folders.places(folder);
  await mkdir(join(folder, "new"));
  assert.ok(folders.places(folder).includes("new/"));
  await settle(folder);
  folders.places(folder);
  await rm(join(folder, "new"), { recursive: true });
  assert.ok(!folders.places(folder).includes("new/"));
});

for (const [what, count, settled] of [
  ["a folder that has just changed, and may change again within the same tick of its clock,", wide, false],
  ["a folder with few entries", 10, true],
] as const) {
  test(`${what} is read each time`, async () => {
    const folder = await folderOf(count);
    if (settled) await settle(folder);
    const { folders, reads } = counting();
    folders.places(folder);
    folders.places(folder);
    assert.equal(reads(), 2);
  });
}

test("a missing folder has no entries", async () => {
  const folders = new CatalogFolders(() => []);
  assert.deepEqual(folders.places(join(tmpdir(), "gantry-is-not-there")), []);
});

test("each folder has its place, and nested ones theirs; files and the layout's own folders have none", async () => {
  const folder = await folderOf(0);
  for (const name of ["c0", "c", "c-x", "c.y", "_tags", "tags", "_referrers"])
    await mkdir(join(folder, name));
  await writeFile(join(folder, "file"), "");
  const { folders } = counting();
  const expected = ["c", "c-x", "c-x/", "c.y", "c.y/", "c/", "c0", "c0/", "tags", "tags/"];
  assert.deepEqual(folders.places(folder), expected);
});
