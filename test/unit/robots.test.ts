// Robot accounts: who is let in, what they may do, and what survives a restart.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, mock, test } from "node:test";
import type { Grants } from "../../src/auth/identity.js";
import { Robots } from "../../src/auth/robots.js";
import { MemoryCluster } from "../../src/cluster/memory/open.js";
import type { Permission } from "../../src/domain/permission.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { isRobotName, type RobotName, robotOfUser, userNameOf } from "../../src/domain/robot.js";
import { CheckedFiles } from "../../src/storage/filesystem/checked-files.js";
import { Layout } from "../../src/storage/filesystem/layout.js";
import { Quarantine } from "../../src/storage/filesystem/quarantine.js";
import { FileRobots } from "../../src/storage/filesystem/robots.js";
import { StrayFiles } from "../../src/storage/filesystem/stray-files.js";
import { Directories } from "../../src/storage/filesystem/sync.js";
import type { RobotStore } from "../../src/storage/storage.js";
import { memoryStorage } from "../support/memory-storage.js";

const hour = 3_600_000;

function nameOf(text: string): RobotName {
  assert.ok(isRobotName(text));
  return text;
}

const ci = nameOf("ci");
const everything = [{ repositories: ["**"], permissions: ["admin"] as const }];

/** The robots of a single-node registry. */
function load(store: RobotStore): Promise<Robots> {
  return Robots.load(store, new MemoryCluster({ leaseSeconds: 3600 }).node().changes);
}

/** A store in a separate folder. `load` returns the robots as a starting process reads them. */
async function robotStore() {
  const root = await mkdtemp(join(tmpdir(), "gantry-robots-"));
  after(() => rm(root, { recursive: true, force: true }));
  const layout = new Layout(root);
  await mkdir(layout.uploadsRoot);
  const directories = new Directories(root, "full");
  const odd: string[] = [];
  const store = new FileRobots(layout, directories, new CheckedFiles(root, (path) => odd.push(path)));
  const strayFiles = new StrayFiles(
    layout,
    new Quarantine(layout, directories, new CheckedFiles(root, () => {})),
  );
  return { root, store, odd, strayFiles, load: () => load(store) };
}

/** Like it, if no test looks at the folder. */
function robotsInMemory() {
  const { robots } = memoryStorage();
  return { load: () => load(robots) };
}

async function make(robots: Robots, expiresAt?: number, name = ci) {
  const made = await robots.create(name, everything, expiresAt);
  assert.ok(made);
  return made;
}

test("a robot is let in with its key, also after a restart, and with no other", async () => {
  const { load } = robotsInMemory();
  const first = await load();
  const { key } = await make(first);
  const { key: another } = await make(first, undefined, nameOf("other"));
  for (const robots of [first, await load()]) {
    const identity = robots.verify("robot-ci", key);
    assert.equal(identity?.subject, "robot:ci");
    assert.equal(identity.limitDecides, true);
    assert.equal(robots.isCurrent(identity), true);
    for (const [user, password] of [
      ["robot-ci", another],
      ["robot-ci", `${key}x`],
      ["robot-ci", key.slice(0, -1)],
      ["robot-ci", ""],
      ["robot-other", key],
      ["robot-nobody", key],
      ["robot-", key],
      ["ci", key],
      ["robot-__proto__", key],
    ] as const)
      assert.equal(robots.verify(user, password), undefined, `${user} ${password}`);
  }
});

test("a key has its prefix, is new each time, and is not stored", async () => {
  const { root, load } = await robotStore();
  const robots = await load();
  const { key } = await make(robots);
  assert.match(key, /^gantry_[A-Za-z0-9_-]{43}$/);
  const file = `${root}/robots/ci.json`;
  assert.ok(!(await readFile(file, "utf8")).includes(key.slice("gantry_".length)));
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  await robots.revoke(ci);
  assert.notEqual((await make(robots)).key, key);
});

test("a revoked robot is locked out at once, including its tokens, and stays so", async () => {
  const { load } = robotsInMemory();
  const robots = await load();
  const { key } = await make(robots);
  const identity = robots.verify("robot-ci", key);
  assert.ok(identity);
  assert.equal(await robots.revoke(ci), true);
  const isOut = (now: Robots) => {
    assert.equal(now.verify("robot-ci", key), undefined);
    assert.equal(now.isCurrent(identity), false);
  };
  isOut(robots);
  await robots.saveUses();
  isOut(await load());
  assert.equal(await robots.revoke(ci), false);
  await make(robots);
  isOut(robots);
});

test("a name belongs to one robot", async () => {
  const { load } = robotsInMemory();
  const robots = await load();
  const made = await Promise.all([1, 2].map(() => robots.create(ci, everything, undefined)));
  assert.equal(made.filter((one) => one === undefined).length, 1);
  assert.equal(robots.list().length, 1);
  const key = made.find((one) => one !== undefined)?.key ?? "";
  assert.ok(robots.verify("robot-ci", key));
  assert.ok((await load()).verify("robot-ci", key), "and the stored robot is the one that is let in");
});

test("a robot revoked during its creation does not exist afterwards", async () => {
  const { load } = robotsInMemory();
  const robots = await load();
  const [made] = await Promise.all([make(robots), robots.revoke(ci)]);
  assert.equal(robots.verify("robot-ci", made.key), undefined);
  assert.deepEqual((await load()).list(), []);
});

test("a key is valid until it expires, and so are its tokens", async () => {
  const { load } = robotsInMemory();
  const robots = await load();
  const now = 1_000_000 * hour;
  mock.timers.enable({ apis: ["Date"], now });
  try {
    const { key } = await make(robots, now + hour);
    mock.timers.setTime(now + hour - 1);
    const identity = robots.verify("robot-ci", key);
    assert.ok(identity);
    mock.timers.setTime(now + hour);
    assert.equal(robots.verify("robot-ci", key), undefined);
    assert.equal(robots.isCurrent(identity), false);
    assert.equal(robots.list().length, 1, "it is still listed");
  } finally {
    mock.timers.reset();
  }
});

test("a robot's last use is known, and accurate to an hour after a restart", async () => {
  const { load } = robotsInMemory();
  const robots = await load();
  const start = 1_000_000 * hour;
  mock.timers.enable({ apis: ["Date"], now: start });
  try {
    const { key } = await make(robots);
    assert.equal(robots.list()[0]?.usedAt, undefined);
    for (const [at, known, stored] of [
      [1, 1, 1],
      [hour, 1, 1],
      [hour + 1, hour + 1, hour + 1],
    ] as const) {
      mock.timers.setTime(start + at);
      assert.equal(robots.verify("robot-ci", "wrong"), undefined);
      assert.ok(robots.verify("robot-ci", key));
      assert.equal(robots.list()[0]?.usedAt, start + known);
      await robots.saveUses();
      assert.equal((await load()).list()[0]?.usedAt, start + stored);
    }
    assert.ok((await load()).verify("robot-ci", key));
  } finally {
    mock.timers.reset();
  }
});

test("a robot may do what its scopes allow, and nothing else", async () => {
  const { load } = robotsInMemory();
  const robots = await load();
  const made = await robots.create(
    ci,
    [
      { repositories: ["ci/**", "tools/*"], permissions: ["pull", "push"] },
      { repositories: ["base/**"], permissions: ["pull"] },
      { repositories: ["own"], permissions: ["admin"] },
    ],
    undefined,
  );
  assert.ok(made);
  for (const now of [robots, await load()]) {
    const limit: Grants | undefined = now.verify("robot-ci", made.key)?.limit;
    assert.ok(limit);
    for (const [permission, repository, allowed] of [
      ["pull", "ci/a/b", true],
      ["push", "ci/a/b", true],
      ["create-tag", "ci/a/b", true],
      ["delete", "ci/a/b", false],
      ["admin", "ci/a/b", false],
      ["push", "tools/a", true],
      ["push", "tools/a/b", false],
      ["pull", "base/a", true],
      ["push", "base/a", false],
      ["create-tag", "base/a", false],
      ["delete", "own", true],
      ["pull", "own/a", false],
      ["pull", "cia/a", false],
      ["pull", "x/ci/a", false],
    ] as [Permission, string, boolean][])
      assert.equal(
        limit.allows(permission, parseRepositoryName(repository)),
        allowed,
        `${permission} ${repository}`,
      );
  }
});

test("names that need quoting are invalid, and none equals a user name", () => {
  for (const text of ["ci", "a", "9", "team.build_1-x", "a".repeat(64)]) {
    assert.ok(isRobotName(text), text);
    assert.equal(robotOfUser(userNameOf(text)), text);
  }
  for (const text of ["", "CI", "a b", "a$b", "a/b", "../a", "a--b", "-a", "a-", "robot-ci", "a".repeat(65)])
    assert.ok(!isRobotName(text), text);
});

test("an invalid robot account is ignored and reported, and lets nobody in", async () => {
  const { root, store, odd, strayFiles, load } = await robotStore();
  const { key } = await make(await load());
  const folder = `${root}/robots`;
  const sound = JSON.parse(await readFile(`${folder}/ci.json`, "utf8")) as Record<string, unknown>;
  const files: Readonly<Record<string, string>> = {
    "README.txt": "",
    "Upper.json": JSON.stringify(sound),
    "torn.json": JSON.stringify(sound).slice(0, -10),
    "renamed.json": JSON.stringify(sound),
    "keyless.json": JSON.stringify({ ...sound, name: "keyless", keyHash: "" }),
    "endless.json": JSON.stringify({ ...sound, name: "endless", expiresAt: "never" }),
    "empty.json": "",
  };
  for (const [file, text] of Object.entries(files)) await writeFile(`${folder}/${file}`, text);
  await mkdir(`${folder}/folder.json`);
  const robots = await load();
  assert.deepEqual(
    robots.list().map(({ name }) => name),
    [ci],
  );
  assert.ok(robots.verify("robot-ci", key));
  const all = [...Object.keys(files), "folder.json"].map((file) => `robots/${file}`).sort();
  assert.deepEqual([...new Set(odd)].sort(), all);
  const verified: string[] = [];
  for await (const { path } of strayFiles.all()) verified.push(path);
  assert.deepEqual(verified.sort(), all);
  assert.equal(await store.remove(nameOf("nobody")), false);
});

test("a robot created or revoked by one node takes effect on all", async () => {
  const { robots: store } = memoryStorage();
  const cluster = new MemoryCluster({ leaseSeconds: 3600 });
  const one = await Robots.load(store, cluster.node().changes);
  const two = await Robots.load(store, cluster.node().changes);
  const { key } = await make(one);
  const identity = two.verify("robot-ci", key);
  assert.ok(identity !== undefined);
  assert.ok(await two.revoke(ci));
  assert.deepEqual([one.verify("robot-ci", key), one.isCurrent(identity)], [undefined, false]);
  const names = Array.from({ length: 20 }, (_, number) => nameOf(`ci-${number}`));
  await Promise.all(names.map((name, number) => make(number % 2 === 0 ? one : two, undefined, name)));
  for (const node of [one, two]) assert.equal(node.list().length, 20);
});

test("robots are reloaded when changes were lost", async () => {
  const { robots: store } = memoryStorage();
  const cluster = new MemoryCluster({ leaseSeconds: 3600 });
  const robots = await Robots.load(store, cluster.node().changes);
  const { key } = await make(robots);
  await store.remove(ci);
  await cluster.lose();
  assert.equal(robots.verify("robot-ci", key), undefined);
});
