import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { CheckedFiles } from "../../src/storage/filesystem/checked-files.js";

const root = await mkdtemp(join(tmpdir(), "gantry-checked-"));
after(() => rm(root, { recursive: true, force: true }));

test("a folder that comes while somebody looks for it is not taken for something else", async () => {
  const files = new CheckedFiles(root, (path, why) => assert.fail(`${path}: ${why}`));
  await mkdir(join(root, "manifests"));
  for (let round = 0; round < 100; round++) {
    const folder = join(root, "manifests", `repository-${round}`);
    const [entries] = await Promise.all([files.demandEntries(folder), mkdir(folder)]);
    assert.ok(entries === undefined || entries.length === 0);
  }
});
