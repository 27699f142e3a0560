// The history of tags: what a tag pointed to, since when and by whom, and the way back.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { assertError, Client, nextOf, serve } from "../support/client.js";
import { blobOf, image, index, newName, types } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { basic, LoginFiles } from "../support/login.js";
import { eventually, storedBelow } from "../support/store.js";
import { historyOf, historyPath, rollbackPath, type ShownEntry } from "../support/tag-history.js";

const files = await LoginFiles.make();
await files.users({ alice: "alice's", bob: "bob's", carol: "carol's" });
await files.policy(`
rules:
  - { repositories: ["team/**", "public/**"], users: [alice, bob], allow: admin }
  - { repositories: "public/**", anonymous: true, allow: pull }
  - { repositories: "other/**", users: carol, allow: admin }
`);
const policy = await files.write("tags.json", JSON.stringify({ immutable: [{ tags: "v*" }] }));
const audit = join(files.folder, "audit.log");
const { gantry, client } = await serve();
const locked = await serve({
  ...files.settings,
  REGISTRY_TAGS_POLICY: policy,
  REGISTRY_AUDIT_TO: audit,
  REGISTRY_TAGS_HISTORY_ENTRIES: "3",
});
const as = (user: string) => new Client(locked.gantry.url, 64, {}, basic(user, `${user}'s`));
const [alice, bob, carol] = [as("alice"), as("bob"), as("carol")];

const brief = ({ action, digest, by, current, available }: ShownEntry) => ({
  action,
  digest,
  by,
  current,
  available,
});

test("a history says what a tag pointed to, since when and who pushed it, newest first", async () => {
  const name = newName("team/app");
  const [one, two] = [image(), image()];
  const before = Date.now();
  await alice.pushImage(name, one, "latest");
  await bob.pushImage(name, two, "latest");
  await alice.pushImage(name, two, "latest");
  const entries = await historyOf(alice, name, "latest");
  assert.deepEqual(entries.map(brief), [
    { action: "pointed", digest: two.digest, by: "user:bob", current: true, available: true },
    { action: "pointed", digest: one.digest, by: "user:alice", current: false, available: true },
  ]);
  const times = entries.map(({ at }) => Date.parse(at));
  assert.ok(times.every((at) => at >= before && at <= Date.now()));
  assert.ok((times[0] ?? 0) > (times[1] ?? 0));
  assert.equal((await alice.head(historyPath(name, "latest"))).status, 200);
});

test("a tag that never was has no history, and a malformed one is refused", async () => {
  const name = newName();
  await client.pushImage(name, image(), "there");
  assertError(await client.get(historyPath(name, "missing")), 404, "MANIFEST_UNKNOWN");
  assertError(await client.get(historyPath(newName(), "there")), 404, "MANIFEST_UNKNOWN");
  assertError(await client.get(historyPath(name, ".history")), 400, "MANIFEST_INVALID");
  assertError(
    await client.get(`${historyPath(name, "there")}?last=yesterday`),
    400,
    "PAGINATION_NUMBER_INVALID",
  );
});

test("a history has pages that together are the whole", async () => {
  const name = newName();
  const made = Array.from({ length: 7 }, () => index([]));
  for (const one of made) await client.pushImage(name, one, "moving");
  const found: ShownEntry[] = [];
  let pages = 0;
  for (let path: string | undefined = `${historyPath(name, "moving")}?n=3`; path !== undefined; pages++) {
    const answer = await client.get(path);
    found.push(...(answer.json() as { entries: ShownEntry[] }).entries);
    path = nextOf(answer);
  }
  assert.equal(pages, 3);
  assert.deepEqual(found, await historyOf(client, name, "moving"));
  assert.deepEqual(
    found.map(({ digest }) => digest),
    made.map(({ digest }) => digest).reverse(),
  );
  assert.deepEqual(found.filter(({ current }) => current).length, 1);
});

test("a history keeps as many entries as the setting says", async () => {
  const name = newName("team/bounded");
  const made = Array.from({ length: 6 }, () => index([]));
  for (const one of made) await alice.pushImage(name, one, "moving");
  const entries = await historyOf(alice, name, "moving");
  assert.deepEqual(
    entries.map(({ digest }) => digest),
    made
      .slice(3)
      .map(({ digest }) => digest)
      .reverse(),
  );
  const stored = await readdir(join(locked.gantry.root, "manifests", name, "tags", "moving"));
  assert.equal(stored.length, 2 + 3, "the pointer, the manifest and the entries");
});

test("a tag goes back to a target of its history, as a push by the caller", async () => {
  const name = newName("team/back");
  const [one, two] = [image(), image()];
  await alice.pushImage(name, one, "latest");
  await alice.pushImage(name, two, "latest");
  assert.equal(
    (await alice.head(`/v2/${name}/manifests/latest`)).headers["docker-content-digest"],
    two.digest,
  );
  const answer = await bob.request("POST", rollbackPath(name, "latest", one.digest));
  assert.equal(answer.status, 201, answer.body.toString());
  assert.equal(answer.headers["docker-content-digest"], one.digest);
  assert.equal(answer.headers.etag, `"${one.digest}"`);
  assert.equal(answer.headers.location, `/v2/${name}/manifests/${one.digest}`);
  assert.ok((await alice.get(`/v2/${name}/manifests/latest`)).body.equals(one.bytes));
  assert.deepEqual((await historyOf(alice, name, "latest")).map(brief), [
    { action: "pointed", digest: one.digest, by: "user:bob", current: true, available: true },
    { action: "pointed", digest: two.digest, by: "user:alice", current: false, available: true },
    { action: "pointed", digest: one.digest, by: "user:alice", current: false, available: true },
  ]);
  const line = await eventually("a line of the audit log", async () => {
    const lines = (await readFile(audit, "utf8")).trim().split("\n");
    return lines
      .map((text) => JSON.parse(text) as Record<string, unknown>)
      .find(
        ({ repository, method, route }) =>
          repository === name && method === "POST" && /rollback/.test(`${route}`),
      );
  });
  const { action, subject, reference, digest, outcome } = line;
  assert.deepEqual(
    [action, subject, reference, digest, outcome],
    ["push", "user:bob", "latest", one.digest, "granted"],
  );
});

test("a rollback obeys If-Match", async () => {
  const name = newName();
  const [one, two, three] = [image(), image(), image()];
  for (const made of [one, two, three]) await client.pushImage(name, made, "latest");
  const roll = (digest: string, match: string) =>
    client.request("POST", rollbackPath(name, "latest", digest), { headers: { "If-Match": `"${match}"` } });
  assertError(await roll(one.digest, two.digest), 412, "DENIED");
  assert.equal((await roll(one.digest, three.digest)).status, 201);
  assert.equal((await historyOf(client, name, "latest")).length, 4);
});

test("a tag goes back only to what it pointed to, if everything is still there", async () => {
  const name = newName();
  const [one, two, other] = [image(), image(), image()];
  await client.pushImage(name, one, "latest");
  await client.pushImage(name, two, "latest");
  await client.pushImage(name, other, "other");
  const roll = (digest: string) => client.request("POST", rollbackPath(name, "latest", digest));
  assertError(await roll(other.digest), 404, "MANIFEST_UNKNOWN");
  assertError(
    await client.request("POST", rollbackPath(name, "missing", one.digest)),
    404,
    "MANIFEST_UNKNOWN",
  );
  assertError(await roll("sha256:short"), 400, "DIGEST_INVALID");
  const [layer] = one.blobs;
  assert.equal((await client.delete(`/v2/${name}/blobs/${layer?.digest}`)).status, 202);
  assertError(await roll(one.digest), 400, "MANIFEST_BLOB_UNKNOWN");
  assert.equal((await client.delete(`/v2/${name}/manifests/${one.digest}`)).status, 202);
  assertError(await roll(one.digest), 404, "MANIFEST_UNKNOWN");
  assert.ok(
    (await client.get(`/v2/${name}/manifests/latest`)).body.equals(two.bytes),
    "the tag is unchanged",
  );
  const [, earlier] = await historyOf(client, name, "latest");
  assert.deepEqual([earlier?.digest, earlier?.available], [one.digest, false]);
});

test("an index goes back only with its manifests", async () => {
  const name = newName();
  const inside = image();
  await client.pushImage(name, inside);
  const [one, two] = [index([inside]), index([])];
  await client.pushImage(name, one, "latest");
  await client.pushImage(name, two, "latest");
  assert.equal((await client.delete(`/v2/${name}/manifests/${inside.digest}`)).status, 202);
  const answer = await client.request("POST", rollbackPath(name, "latest", one.digest));
  assertError(answer, 400, "MANIFEST_BLOB_UNKNOWN");
});

test("a manifest of another algorithm goes back under its own digest", async () => {
  const name = newName();
  const made = index([]);
  const digest = blobOf(made.bytes.toString(), "sha512").digest;
  const pushed = await client.putManifest(name, `${digest}?tag=strong`, made.bytes, types.index);
  assert.equal(pushed.status, 201, pushed.body.toString());
  await client.pushImage(name, index([]), "strong");
  assert.equal((await client.request("POST", rollbackPath(name, "strong", digest))).status, 201);
  const found = await client.head(`/v2/${name}/manifests/strong`);
  assert.equal(found.headers["docker-content-digest"], digest);
});

test("a removed tag is listed with who removed it, and comes back", async () => {
  const name = newName("team/removed");
  const [one, two] = [image(), image()];
  await alice.pushImage(name, one, "gone");
  await alice.pushImage(name, two, "gone");
  await alice.pushImage(name, one, "kept");
  assert.equal((await bob.delete(`/v2/${name}/manifests/gone`)).status, 202);
  const list = (await alice.get(`/v2/${name}/_gantry/removed-tags`)).json() as {
    tags: { tag: string; last: ShownEntry }[];
  };
  assert.deepEqual(
    list.tags.map(({ tag, last }) => [tag, brief(last)]),
    [["gone", { action: "removed", digest: two.digest, by: "user:bob", current: false, available: true }]],
  );
  assert.deepEqual(
    (await historyOf(alice, name, "gone")).map(({ action, digest }) => [action, digest]),
    [
      ["removed", two.digest],
      ["pointed", two.digest],
      ["pointed", one.digest],
    ],
  );
  assert.deepEqual((await alice.get(`/v2/${name}/tags/list`)).json(), { name, tags: ["kept"] });
  assert.equal((await alice.request("POST", rollbackPath(name, "gone", one.digest))).status, 201);
  assert.deepEqual((await alice.get(`/v2/${name}/tags/list`)).json(), { name, tags: ["gone", "kept"] });
  const after = (await alice.get(`/v2/${name}/_gantry/removed-tags`)).json() as { tags: unknown[] };
  assert.deepEqual(after.tags, []);
});

test("removed tags have pages", async () => {
  const name = newName();
  const made = image();
  const tags = ["a", "b", "c", "d", "e"];
  for (const tag of [...tags, "kept"]) await client.pushImage(name, made, tag);
  for (const tag of tags) assert.equal((await client.delete(`/v2/${name}/manifests/${tag}`)).status, 202);
  const found: string[] = [];
  for (let path: string | undefined = `/v2/${name}/_gantry/removed-tags?n=2`; path !== undefined; ) {
    const answer = await client.get(path);
    found.push(...(answer.json() as { tags: { tag: string }[] }).tags.map(({ tag }) => tag));
    path = nextOf(answer);
  }
  assert.deepEqual(found, tags);
});

test("an immutable tag does not go back", async () => {
  const name = newName("team/immutable");
  const made = image();
  await alice.pushImage(name, made, "v1");
  assert.equal(
    (await alice.request("POST", rollbackPath(name, "v1", made.digest))).status,
    201,
    "it is there",
  );
  assert.equal((await historyOf(alice, name, "v1")).length, 1);
});

test("nobody sees or moves what they may not pull or push", async () => {
  const name = newName("team/private");
  const made = image();
  await alice.pushImage(name, made, "latest");
  for (const path of [historyPath(name, "latest"), `/v2/${name}/_gantry/removed-tags`]) {
    assertError(await carol.get(path), 403, "DENIED");
    assertError(await locked.client.get(path), 401, "UNAUTHORIZED");
  }
  assertError(await carol.request("POST", rollbackPath(name, "latest", made.digest)), 403, "DENIED");
});

test("who is not logged in does not see the names of those who are", async () => {
  const name = newName("public/app");
  await alice.pushImage(name, image(), "latest");
  const [entry] = await historyOf(locked.client, name, "latest");
  assert.deepEqual([entry?.by, entry?.current], [undefined, true]);
  assert.deepEqual((await historyOf(bob, name, "latest"))[0]?.by, "user:alice");
});

test("concurrent pushes of one tag each have an entry, and the first is the current one", async () => {
  const name = newName();
  const made = Array.from({ length: 12 }, () => index([]));
  await Promise.all(made.map((one) => client.pushImage(name, one, "raced")));
  const entries = await historyOf(client, name, "raced");
  assert.deepEqual(entries.map(({ digest }) => digest).sort(), made.map(({ digest }) => digest).sort());
  const current = (await client.head(`/v2/${name}/manifests/raced`)).headers["docker-content-digest"];
  assert.deepEqual(
    entries.filter((entry) => entry.current).map(({ digest }) => digest),
    [current],
  );
  assert.equal(entries[0]?.current, true);
});

test("an acknowledged push has its entry after a crash", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-history-"));
  after(() => rm(folder, { recursive: true, force: true }));
  const name = newName();
  const acknowledged: string[] = [];
  const killed = await startGantry({}, folder);
  const pusher = new Client(killed.url);
  for (const made of [index([]), index([]), index([])]) {
    await pusher.pushImage(name, made, "latest");
    acknowledged.unshift(made.digest);
  }
  await pusher.pushImage(name, index([]), "gone");
  assert.equal((await pusher.delete(`/v2/${name}/manifests/gone`)).status, 202);
  await killed.kill();
  await using again = await startGantry({}, folder);
  const reader = new Client(again.url);
  const entries = await historyOf(reader, name, "latest");
  assert.deepEqual(
    entries.map(({ digest }) => digest),
    acknowledged,
  );
  assert.deepEqual(
    entries.map(({ by }) => by),
    ["anonymous", "anonymous", "anonymous"],
  );
  const [last] = await historyOf(reader, name, "gone");
  assert.deepEqual([last?.action, last?.by], ["removed", "anonymous"]);
});

test("a tag that was pushed before there was a history begins with its current target", async () => {
  const name = newName();
  const [one, two] = [image(), image()];
  await client.pushImage(name, one, "old");
  const folder = join(gantry.root, "manifests", name, "tags", "old");
  for (const entry of await readdir(folder)) if (/^\d/.test(entry)) await rm(join(folder, entry));
  assert.deepEqual((await historyOf(client, name, "old")).map(brief), [
    { action: "pointed", digest: one.digest, by: undefined, current: true, available: true },
  ]);
  await client.pushImage(name, two, "old");
  const [current, earlier] = await historyOf(client, name, "old");
  assert.deepEqual([current?.digest, current?.by], [two.digest, "anonymous"]);
  assert.deepEqual([earlier?.digest, earlier?.by], [one.digest, undefined]);
});

test("files that are no entries hide none", async () => {
  const name = newName();
  const [one, two] = [image(), image()];
  await client.pushImage(name, one, "odd");
  await client.pushImage(name, two, "odd");
  const folder = join(gantry.root, "manifests", name, "tags", "odd");
  for (const odd of ["1234", "8235564747877.sha256:ab.eA", "8235564747877.removed:x.eA", ".nfs0001"])
    await writeFile(join(folder, odd), "");
  assert.equal((await historyOf(client, name, "odd")).length, 2);
  await client.pushImage(name, one, "odd");
  assert.equal((await historyOf(client, name, "odd")).length, 3);
});

test("with no entries to keep, nothing is stored, and a tag's current target is all there is", async () => {
  await using off = await startGantry({ REGISTRY_TAGS_HISTORY_ENTRIES: "0" });
  const one = new Client(off.url);
  const name = newName();
  for (const made of [index([]), index([])]) await one.pushImage(name, made, "latest");
  const entries = await historyOf(one, name, "latest");
  assert.deepEqual(
    entries.map(({ current, by }) => [current, by]),
    [[true, undefined]],
  );
  assert.equal((await one.delete(`/v2/${name}/manifests/latest`)).status, 202);
  assertError(await one.get(historyPath(name, "latest")), 404, "MANIFEST_UNKNOWN");
  const left = await storedBelow(join(off.root, "manifests", name));
  assert.ok(
    left.every((path) => !path.includes("history") && !path.startsWith("tags/latest")),
    left.join(),
  );
});
