// The stores that the benchmark generates are like those left by pushes: each registry's own program finds them intact.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { DistributionStore } from "../../bench/stores/distribution.js";
import { GantryStore } from "../../bench/stores/gantry.js";
import { blobAt, layStore, repositoryAt, tagAt } from "../../bench/stores/lay.js";
import type { RegistryStats } from "../../src/registry/stats.js";
import type { VerifyReport } from "../../src/registry/verify/report.js";
import { Client } from "../support/client.js";
import { gantry } from "../support/command.js";
import { startInside } from "../support/inside.js";

const shape = { repositories: 3, imagesOfRepository: 2, blobsOfImage: 4, tagsOfImage: 5 };
/** The number of contents: in the second case the repositories share them. */
const cases = [
  { what: "each with its own images", shape, contents: 24 },
  { what: "all with the same images", shape: { ...shape, sameImages: true }, contents: 8 },
];

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-laid-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function assertWhole(root: string, expected: number): Promise<void> {
  const verified = await gantry(root, ["verify", "--json"]);
  const { problems, odd } = verified.json<VerifyReport>();
  assert.deepEqual({ problems, odd, code: verified.code }, { problems: [], odd: [], code: 0 });
  const { repositories, contents } = (await gantry(root, ["stats", "--json"])).json<RegistryStats>();
  assert.deepEqual(
    repositories.map(({ name, blobs, manifests, tags }) => ({ name, blobs, manifests, tags })),
    [0, 1, 2].map((index) => ({ name: repositoryAt(index), blobs: 8, manifests: 2, tags: 10 })),
  );
  assert.equal(contents, expected);
}

for (const { what, shape, contents } of cases) {
  test(`a generated store of Gantry, its repositories ${what}, is intact`, async () => {
    const root = await newFolder();
    layStore(new GantryStore(root), shape);
    await using server = await startInside({}, root);
    await assertWhole(root, contents);
    const path = `/v2/${repositoryAt(2)}/manifests/${tagAt(1, 4)}`;
    assert.equal((await new Client(server.url).request("GET", path)).status, 200);
  });

  test(`a generated store of distribution, its repositories ${what}, is imported completely`, async () => {
    const [old, root] = [await newFolder(), await newFolder()];
    layStore(new DistributionStore(old), shape);
    const imported = await gantry(root, ["import", "--from-distribution", old]);
    assert.equal(imported.code, 0, imported.stderr);
    await assertWhole(root, contents);
  });
}

test("a blob of a generated store is found by its number", async () => {
  const root = await newFolder();
  layStore(new GantryStore(root), shape);
  await using server = await startInside({}, root);
  const path = `/v2/${repositoryAt(2)}/blobs/${blobAt(2, 7)}`;
  assert.equal((await new Client(server.url).request("HEAD", path)).status, 200);
});
