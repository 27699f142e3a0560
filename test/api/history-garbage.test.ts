// What garbage collection makes of the history of tags: it keeps content only if a rule says so, and ends old histories.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { collectGarbage } from "../../src/registry/collect-garbage.js";
import { assertError, Client } from "../support/client.js";
import { image, index, newName } from "../support/content.js";
import { serveInside } from "../support/server.js";
import { historyOf, historyPath, rollbackPath } from "../support/tag-history.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-history-"));
after(() => rm(folder, { recursive: true, force: true }));
const policy = join(folder, "policy.json");
await writeFile(policy, JSON.stringify({ retention: [{ tags: "latest", keepPrevious: 2 }] }));
const settings = { REGISTRY_GC_INTERVAL: "0s", REGISTRY_GC_LEASE: "0s", REGISTRY_TAGS_POLICY: policy };
const server = await serveInside(settings);
const client = new Client(server.url);
const brief = await serveInside({ ...settings, REGISTRY_TAGS_HISTORY_AGE: "100ms" });

const collect = (dryRun = false) => collectGarbage(server.services, { dryRun, untaggedSeconds: 0 });

test("without a rule, what a tag pointed to before is collected, and its history says so", async () => {
  const name = newName();
  const [one, two] = [image(), image()];
  await client.pushImage(name, one, "other");
  await client.pushImage(name, two, "other");
  await collect();
  const [current, earlier] = await historyOf(client, name, "other");
  assert.deepEqual([current?.available, earlier?.available, earlier?.digest], [true, false, one.digest]);
  const answer = await client.request("POST", rollbackPath(name, "other", one.digest));
  assertError(answer, 404, "MANIFEST_UNKNOWN");
});

test("a rule keeps as many earlier targets as it says, with all that they name, so that a tag can go back", async () => {
  const name = newName();
  const inside = image();
  await client.pushImage(name, inside);
  const made = [image(), index([inside]), image(), image()];
  for (const one of made) await client.pushImage(name, one, "latest");
  const [oldest, older] = made;
  const report = await collect();
  const { manifests } = report.repositories.find((one) => one.name === name) ?? {};
  assert.deepEqual(manifests, [oldest?.digest]);
  assert.deepEqual(
    (await historyOf(client, name, "latest")).map(({ available }) => available),
    [true, true, true, false],
  );
  assert.equal((await client.request("POST", rollbackPath(name, "latest", older?.digest ?? ""))).status, 201);
  assert.ok((await client.get(`/v2/${name}/manifests/latest`)).body.equals(older?.bytes ?? Buffer.of()));
  for (const { digest } of inside.blobs)
    assert.equal((await client.head(`/v2/${name}/blobs/${digest}`)).status, 200);
});

test("going back and forth does not use up what a rule keeps", async () => {
  const name = newName();
  const made = [image(), image(), image()];
  for (const one of made) await client.pushImage(name, one, "latest");
  const [oldest, middle] = made;
  for (const one of [middle, made[2], middle])
    assert.equal((await client.request("POST", rollbackPath(name, "latest", one?.digest ?? ""))).status, 201);
  await collect();
  assert.equal((await client.head(`/v2/${name}/manifests/${oldest?.digest}`)).status, 200);
});

test("a removed tag keeps no content, whatever the rule", async () => {
  const name = newName();
  const [one, two] = [image(), image()];
  await client.pushImage(name, one, "latest");
  await client.pushImage(name, two, "kept");
  assert.equal((await client.delete(`/v2/${name}/manifests/latest`)).status, 202);
  await collect();
  assert.equal((await client.head(`/v2/${name}/manifests/${one.digest}`)).status, 404);
  assert.deepEqual(
    (await historyOf(client, name, "latest")).map(({ action, available }) => [action, available]),
    [
      ["removed", false],
      ["pointed", false],
    ],
  );
});

test("a repository is removed although tags of it had a history, and nothing of that is seen later", async () => {
  const name = newName();
  const made = image();
  await client.pushImage(name, made, "latest");
  assert.equal((await client.delete(`/v2/${name}/manifests/${made.digest}`)).status, 202);
  assert.equal((await client.get(historyPath(name, "latest"))).status, 200);
  const report = await collect();
  assert.ok(report.emptied.includes(name as never), "it left the catalog");
  assertError(await client.get(historyPath(name, "latest")), 404, "MANIFEST_UNKNOWN");
  await client.pushImage(name, made, "other");
  assertError(await client.get(historyPath(name, "latest")), 404, "MANIFEST_UNKNOWN");
});

test("a collection ends histories that are too old", async () => {
  const one = new Client(brief.url);
  const name = newName();
  for (const made of [image(), image()]) await one.pushImage(name, made, "latest");
  await one.pushImage(name, image(), "gone");
  assert.equal((await one.delete(`/v2/${name}/manifests/gone`)).status, 202);
  await pause(200);
  assert.equal((await historyOf(one, name, "latest")).length, 1, "a reader does not wait for a collection");
  const { history } = brief.services.storage;
  const stored = async () => {
    const all: number[] = [];
    for await (const { entries } of history.all(name as never)) all.push(entries.length);
    return all.sort();
  };
  assert.deepEqual(await stored(), [2, 2]);
  await collectGarbage(brief.services, { dryRun: true, untaggedSeconds: 0 });
  assert.deepEqual(await stored(), [2, 2], "a dry run removes nothing");
  await collectGarbage(brief.services, { dryRun: false, untaggedSeconds: 0 });
  assert.deepEqual(await stored(), [1]);
});
