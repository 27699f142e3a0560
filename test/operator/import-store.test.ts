// Import from another store in a folder, through the real program. Buckets are tested in test/cluster.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, chown, lstat, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ImportReport } from "../../src/registry/import/report.js";
import { Client } from "../support/client.js";
import { gantry, gantryProcess } from "../support/command.js";
import { blobOf, describe, descriptorOf, image, index, types } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { startInside } from "../support/inside.js";
import { newRobot } from "../support/login.js";
import { storedBelow } from "../support/store.js";
import { type StoreState, stateOfFolder } from "../support/store-state.js";

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-import-store-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const layer = blobOf(200_000);
const lone = blobOf(1000);
const one = image({ layers: [descriptorOf(layer, types.layer)] });
const two = image({ layers: 2 });
const both = index([one, two]);
const signature = image({ subject: describe(both), artifactType: "application/x.test" });
/** A list by the referrers tag schema, which a client has pushed although there is the API. */
const list = index([signature]);
const schemaTag = both.digest.replace(":", "-");

/** Resolves with the folder of a store, and what it holds. */
async function fullStore(): Promise<{ root: string; state: StoreState }> {
  const root = await newFolder();
  {
    await using server = await startInside({}, root);
    const client = new Client(server.url);
    for (const name of ["team/app", "other"]) {
      await client.pushBlobs(name, layer, lone);
      await client.pushImage(name, one, "v1");
      await client.pushImage(name, two);
      await client.pushImage(name, both, "all");
    }
    await client.pushImage("team/app", signature);
    await client.pushImage("team/app", list, schemaTag);
    await client.pushBlobs("blobs/only", lone);
    await client.get("/v2/other/manifests/v1");
  }
  return { root, state: await stateOfFolder(root) };
}

async function importStore(root: string, ...words: readonly string[]) {
  const { code, ...ran } = await gantry(root, ["import", "--from-store", ...words, "--json"]);
  assert.notEqual(ran.stdout, "", ran.stderr);
  return { code, ...ran.json<ImportReport>() };
}

test("everything in another store is imported, by links, with the times of tags; the source is unchanged", async () => {
  const { root, state } = await fullStore();
  assert.notEqual(state.other?.tags.v1?.pulledAt, undefined);
  assert.deepEqual(Object.keys(state["team/app"]?.tags ?? {}).sort(), ["all", schemaTag, "v1"]);
  const before = await storedBelow(root);
  const target = await newFolder();
  const report = await importStore(target, root);
  assert.deepEqual([report.code, report.problems, report.odd], [0, [], []]);
  assert.deepEqual([report.manifests.imported, report.tags.imported], [8, 5]);
  assert.equal(report.blobs.streamed.count, 0);
  assert.deepEqual(await stateOfFolder(target), state);
  assert.deepEqual(await storedBelow(root), before);
  const path = (store: string) =>
    join(store, "content/sha256", layer.digest.slice(7, 9), layer.digest.slice(7));
  assert.equal((await stat(path(target))).ino, (await stat(path(root))).ino);
  await using server = await startInside({}, target);
  const client = new Client(server.url);
  const listed = (await client.get(`/v2/team/app/referrers/${both.digest}`)).json() as {
    manifests: { digest: string }[];
  };
  assert.deepEqual(
    listed.manifests.map(({ digest }) => digest),
    [signature.digest],
  );
});

test("a later import, through the server that holds the store, follows the source", async () => {
  const { root } = await fullStore();
  const target = await newFolder();
  await importStore(target, root);
  {
    await using server = await startInside({}, root);
    const client = new Client(server.url);
    await client.pushImage("other", two, "v1");
    await client.delete("/v2/other/manifests/all");
  }
  const state = await stateOfFolder(root);
  await using server = await startInside({}, target);
  const client = new Client(server.url);
  assert.equal((await client.get("/v2/other/manifests/v1")).headers["docker-content-digest"], one.digest);
  const kept = await importStore(target, root, "--keep-tags");
  assert.deepEqual([kept.code, kept.tags.kept, kept.tags.moved], [0, 1, 0]);
  const report = await importStore(target, root);
  assert.deepEqual([report.code, report.tags.moved, report.manifests.imported], [0, 1, 0]);
  assert.equal((await client.get("/v2/other/manifests/v1")).headers["docker-content-digest"], two.digest);
  const { v1, all } = (await stateOfFolder(target)).other?.tags ?? {};
  assert.equal(v1?.pushedAt, state.other?.tags.v1?.pushedAt);
  assert.equal(all?.digest, both.digest, "what was deleted at the source remains");
});

test("a store whose journal has what a power failure took of its files is refused until a start completes it", async () => {
  const root = await newFolder();
  await using source = await startGantry({}, root);
  const client = new Client(source.url);
  await client.pushImage("team/kept", two, "v1");
  await client.pushImage("team/lost", two, "v2");
  const live = await importStore(await newFolder(), root);
  assert.deepEqual([live.code, live.problems, live.tags.imported], [0, [], 2], "the server has the files");
  await source.kill();
  for (const taken of ["manifests/team/lost", "manifests"]) {
    await rm(join(root, taken), { recursive: true });
    const before = await filesOf(root);
    const target = await newFolder();
    const { code, stderr } = await gantry(target, ["import", "--from-store", root]);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /a crash has left changes in .*\/journal \(\d+\), .*: start Gantry once on that store/,
    );
    assert.deepEqual(await filesOf(root), before);
  }
  const completed = await startGantry({}, root);
  await completed.stop();
  const report = await importStore(await newFolder(), root);
  assert.deepEqual([report.code, report.problems, report.tags.imported], [0, [], 2]);
});

test("a user who cannot read the journal of a killed server is told to be another one", async (context) => {
  const root = await newFolder();
  await using source = await startGantry({}, root);
  await new Client(source.url).pushImage("app", two, "v1");
  const target = await newFolder();
  const user = "65534";
  const other = ["setpriv", "--reuid", user, "--clear-groups"];
  try {
    execFileSync("setpriv", [...other.slice(1), "true"]);
    await chown(target, Number(user), 0);
    await chmod(root, 0o755);
  } catch {
    return context.skip("this machine does not allow changing to another user");
  }
  const words = ["import", "--from-store", root];
  const live = await gantryProcess(target, words, {}, other);
  if (live.code === 127) return context.skip(`this user cannot run node: ${live.stderr}`);
  assert.deepEqual([live.code, live.stderr], [0, ""]);
  await source.kill();
  const { code, stderr } = await gantryProcess(target, words, {}, other);
  assert.equal(code, 1);
  assert.match(stderr, /run the import as the user of that store's server: EACCES/);
});

/** Returns the path, the time and the size of each file. */
async function filesOf(root: string) {
  const paths = await storedBelow(root);
  return Promise.all(
    paths.map(async (path) => {
      const { mtimeNs, size } = await lstat(join(root, path), { bigint: true });
      return [path, mtimeNs, size];
    }),
  );
}

test("only matching repositories are imported, and robots only if asked for", async () => {
  const { root } = await fullStore();
  const { key } = await newRobot(root, "ci", "--scope", "**:pull");
  await newRobot(root, "taken", "--scope", "**:pull");
  const target = await newFolder();
  const some = await importStore(target, root, "--repository", "team/*");
  assert.deepEqual([some.code, some.robots], [0, { imported: 0, there: 0 }]);
  assert.deepEqual(Object.keys(await stateOfFolder(target)), ["team/app"]);
  await newRobot(target, "taken", "--scope", "**:pull");
  const robots = await importStore(target, root, "--robots");
  assert.deepEqual([robots.code, robots.robots], [1, { imported: 1, there: 0 }]);
  assert.deepEqual(
    robots.problems.map(({ what }) => what),
    ["the robot taken exists with another key, and is kept"],
  );
  await using server = await startInside({ REGISTRY_AUTH_ROBOTS_ENABLED: "true" }, target);
  const headers = { authorization: `Basic ${Buffer.from(`robot-ci:${key}`).toString("base64")}` };
  assert.equal((await fetch(`${server.url}/v2/other/tags/list`, { headers })).status, 200);
});

test("a place without a store is refused", async () => {
  const empty = await newFolder();
  for (const place of [empty, join(empty, "missing")]) {
    const { code, stderr } = await gantry(join(empty, "store"), ["import", "--from-store", place]);
    assert.deepEqual([code, stderr.includes(`there is no store in ${place}`)], [1, true], stderr);
  }
});
