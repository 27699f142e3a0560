// Stores that the benchmark lays on the disk are such as pushes leave: each registry's own program finds them whole.

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
import { startGantry } from "../support/gantry.js";

const shape = { repositories: 3, imagesOfRepository: 2, blobsOfImage: 4, tagsOfImage: 5 };

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-laid-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function assertWhole(root: string): Promise<void> {
  const verified = await gantry(root, ["verify", "--json"]);
  const { problems, odd } = verified.json<VerifyReport>();
  assert.deepEqual({ problems, odd, code: verified.code }, { problems: [], odd: [], code: 0 });
  const { repositories, contents } = (await gantry(root, ["stats", "--json"])).json<RegistryStats>();
  assert.deepEqual(
    repositories.map(({ name, blobs, manifests, tags }) => ({ name, blobs, manifests, tags })),
    [0, 1, 2].map((index) => ({ name: repositoryAt(index), blobs: 8, manifests: 2, tags: 10 })),
  );
  assert.equal(contents, 24);
}

test("a store of Gantry's that was laid is whole, and serves what was laid", async () => {
  const root = await newFolder();
  layStore(new GantryStore(root), shape);
  await using server = await startGantry({}, root);
  await assertWhole(root);
  const client = new Client(server.url);
  const name = repositoryAt(2);
  assert.equal((await client.request("HEAD", `/v2/${name}/blobs/${blobAt(2, 7)}`)).status, 200);
  assert.equal((await client.request("GET", `/v2/${name}/manifests/${tagAt(1, 4)}`)).status, 200);
});

test("a store of distribution's that was laid moves in whole", async () => {
  const [old, root] = [await newFolder(), await newFolder()];
  layStore(new DistributionStore(old), shape);
  const imported = await gantry(root, ["import", "--from-distribution", old]);
  assert.equal(imported.code, 0, imported.stderr);
  await assertWhole(root);
});
