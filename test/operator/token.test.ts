// Robot accounts on the command line: the same with a server that holds the store, effective at once, and without one.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gantry } from "../support/command.js";
import { startInside } from "../support/inside.js";
import { serveInside } from "../support/server.js";

const day = 86_400_000;

interface Listed {
  readonly name: string;
  readonly user: string;
  readonly scopes: readonly { repositories: string[]; permissions: string[] }[];
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
}

type Created = Listed & { readonly key: string };

const inside = await serveInside();

async function newStore(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "gantry-token-"));
  after(() => rm(root, { recursive: true, force: true }));
  await (await startInside({}, root)).stop();
  return root;
}

test("a command through the running server takes effect at once", async () => {
  const { services, place: root } = inside;
  const ran = await gantry(root, ["token", "create", "online", "--scope", "ci/**:pull,push", "--json"]);
  assert.equal(ran.code, 0, ran.stderr);
  const { key, user } = ran.json<Created>();
  const identity = services.robots.verify(user, key);
  assert.ok(identity);
  const listed = (await gantry(root, ["token", "list", "--json"])).json<Listed[]>();
  assert.ok(listed.find(({ name }) => name === "online")?.lastUsedAt, "it was used");
  assert.equal((await gantry(root, ["token", "revoke", user])).code, 0);
  assert.equal(services.robots.verify(user, key), undefined);
  assert.equal(services.robots.isCurrent(identity), false);
});

for (const online of [true, false]) {
  test(`robots are created, listed and revoked ${online ? "through the server" : "without a server"}`, async () => {
    const root = online ? inside.place : await newStore();
    const scopes = ["--scope", "ci/**,tools/*:pull,push", "--scope", "base/**:pull"];
    const before = Date.now();
    const made = await gantry(root, ["token", "create", "ci", ...scopes, "--json"]);
    assert.equal(made.code, 0, made.stderr);
    const { key, ...created } = made.json<Created>();
    assert.match(key, /^gantry_[A-Za-z0-9_-]{43}$/);
    assert.deepEqual(created.scopes, [
      { repositories: ["ci/**", "tools/*"], permissions: ["pull", "push"] },
      { repositories: ["base/**"], permissions: ["pull"] },
    ]);
    const expiresAfter = Date.parse(created.expiresAt ?? "") - before;
    assert.ok(expiresAfter >= 90 * day && expiresAfter < 91 * day, "the default is 90 days");
    const twice = await gantry(root, ["token", "create", "ci", ...scopes]);
    assert.deepEqual([twice.code, twice.stdout], [1, ""]);
    assert.match(twice.stderr, /the robot ci already exists/);

    const lasting = await gantry(root, ["token", "create", "a", "--scope", "**:pull", "--expires", "never"]);
    assert.match(lasting.stdout, /^gantry_\S{43}\n\nThis key is not shown again.*never.*\*\*:pull/);
    assert.match(lasting.stdout, /docker login --username robot-a --password-stdin/);
    assert.match(lasting.stdout, /These settings enable no logins: set auth\.robots\.enabled to true/);

    const list = await gantry(root, ["token", "list", "--json"]);
    assert.deepEqual(
      list.json<Listed[]>().map(({ user, expiresAt }) => [user, expiresAt === null]),
      [
        ["robot-a", true],
        ["robot-ci", false],
      ],
    );
    assert.deepEqual(list.json<Listed[]>()[1], created);
    const table = (await gantry(root, ["token", "list"])).stdout;
    assert.match(table, /^robot-ci +ci\/\*\*,tools\/\*:pull,push base\/\*\*:pull +20/m);
    for (const said of [list.stdout, table])
      assert.ok(!said.includes("gantry_") && !/[0-9a-f]{64}/.test(said));

    for (const name of ["robot-ci", "a"])
      assert.equal((await gantry(root, ["token", "revoke", name])).code, 0);
    assert.deepEqual((await gantry(root, ["token", "list", "--json"])).json(), []);
    const gone = await gantry(root, ["token", "revoke", "ci"]);
    assert.deepEqual([gone.code, gone.stdout], [1, ""]);
    assert.match(gone.stderr, /there is no robot-ci/);
  });
}

test("a robot created without a server is known to the one that starts", async () => {
  const root = await newStore();
  await gantry(root, ["token", "create", "early", "--scope", "**:pull"]);
  await using _server = await startInside({}, root);
  const [robot] = (await gantry(root, ["token", "list", "--json"])).json<Listed[]>();
  assert.equal(robot?.user, "robot-early");
});

test("where robots can log in, nothing else has to be set", async () => {
  const logins = { REGISTRY_AUTH_ROBOTS_ENABLED: "true" };
  const made = await gantry(await newStore(), ["token", "create", "ci", "--scope", "**:pull"], logins);
  assert.equal(made.code, 0, made.stderr);
  assert.doesNotMatch(made.stdout, /auth\.robots\.enabled/);
});

test("wrong usage is explained, and creates nothing", async () => {
  const root = await newStore();
  for (const [parameters, said] of [
    [["create"], /NAME/],
    [["create", "ci"], /--scope: give at least one/],
    [["create", "CI", "--scope", "**:pull"], /CI is not a robot name/],
    [["create", "a$b", "--scope", "**:pull"], /a.b is not a robot name/],
    [["create", "ci", "--scope", "ci/**"], /expected repositories and permissions/],
    [["create", "ci", "--scope", ":pull"], /expected repositories and permissions/],
    [["create", "ci", "--scope", "a,,b:pull"], /expected repositories and permissions/],
    [["create", "ci", "--scope", "ci/**:pul"], /unknown permission pul; permissions are pull, push/],
    [["create", "ci", "--scope", "ci/**:"], /unknown permission ;/],
    [["create", "ci", "--scope", "**:pull", "--expires", "soon"], /neither a time/],
    [["create", "ci", "--scope", "**:pull", "--expires", "0s"], /neither a time/],
    [["revoke", "../ci"], /is not a robot name/],
  ] as const) {
    const { code, stdout, stderr } = await gantry(root, ["token", ...parameters]);
    assert.deepEqual([code, stdout], [2, ""], parameters.join(" "));
    assert.match(stderr, said);
  }
  assert.deepEqual((await gantry(root, ["token", "list", "--json"])).json(), []);
});
