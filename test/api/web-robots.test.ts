// The page of robots: who may see it, and creating and revoking with a confirmation.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Client, serve } from "../support/client.js";
import { gantry as command } from "../support/command.js";
import { basic, LoginFiles, newRobot } from "../support/login.js";
import { eventually } from "../support/store.js";
import { loggedIn, Visitor } from "../support/visitor.js";

const files = await LoginFiles.make();
await files.users({ alice: "alice's", olga: "olga's", bob: "bob's" });
await files.policy(`
groups: { operators: [olga] }
robots: { users: alice, groups: operators }
rules:
  - { repositories: "**", authenticated: true, allow: admin }
`);
const audit = join(files.folder, "audit.log");
const { gantry } = await serve({
  ...files.settings,
  REGISTRY_HTTP_UI_ENABLED: "true",
  REGISTRY_AUDIT_TO: audit,
});
const { url, root } = gantry;
const admin = await newRobot(root, "admin", "--scope", "**:admin");
const fields = { name: "web", repositories: "team/web/**\nbase", permissions: "pull", expires: "30d" };

async function auditedRobots(): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(audit, "utf8")).trim().split("\n");
  return lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ action }) => action === "robots");
}

test("who is named in the policy sees robots, and others neither the page nor the way to it", async () => {
  for (const [user, password, may] of [
    ["alice", "alice's", true],
    ["olga", "olga's", true],
    ["bob", "bob's", false],
    [admin.user, admin.key, false],
  ] as const) {
    const visitor = await loggedIn(url, user, password);
    const answer = await visitor.get("/ui/robots");
    assert.equal(answer.status, may ? 200 : 403, user);
    assert.equal(answer.body.toString().includes("robot-admin</td>"), may, user);
    assert.equal((await visitor.get("/ui/")).body.toString().includes('href="/ui/robots"'), may, user);
    if (may) continue;
    const form = await visitor.formToken("/");
    for (const path of ["/ui/robots", "/ui/robots/revoke"])
      assert.equal((await visitor.post(path, { form, ...fields, robot: "admin" })).status, 403);
    assert.equal((await visitor.get("/ui/robots/revoke?robot=admin")).status, 403);
  }
  assert.equal((await new Visitor(url).get("/ui/robots")).status, 303, "the login");
  const listed = await command(root, ["token", "list", "--json"]);
  assert.deepEqual(
    listed.json<{ name: string }[]>().map(({ name }) => name),
    ["admin"],
  );
});

test("a robot is created after a confirmation, and its key is shown once", async () => {
  const visitor = await loggedIn(url, "alice", "alice's");
  const query = new URLSearchParams(fields);
  const confirmation = await visitor.get(`/ui/robots/new?${query}`);
  assert.equal(confirmation.status, 200);
  assert.match(confirmation.body.toString(), /Create robot-web\?/);
  assert.match(confirmation.body.toString(), /team\/web\/\*\*/);
  assert.doesNotMatch((await visitor.get("/ui/robots")).body.toString(), /robot-web/, "not before");
  const created = await visitor.submit("/ui/robots", fields, `/ui/robots/new?${query}`);
  assert.equal(created.status, 200, created.body.toString());
  assert.equal(created.headers["cache-control"], "no-store");
  const html = created.body.toString();
  const key = /gantry_[\w-]{43}/.exec(html)?.[0] ?? "";
  assert.notEqual(key, "");
  assert.ok(html.includes(`docker login --username robot-web --password-stdin ${new URL(url).host}`), html);
  const list = (await visitor.get("/ui/robots")).body.toString();
  assert.ok(list.includes("robot-web"));
  assert.equal(list.includes(key), false);
  const robot = new Client(url, 1, {}, basic("robot-web", key));
  assert.equal((await robot.get("/v2/base/tags/list")).status, 404, "it may pull, but there is nothing");
  assert.equal((await robot.get("/v2/other/tags/list")).status, 403);
  const again = await visitor.submit("/ui/robots", fields, "/ui/robots");
  assert.equal(again.status, 409);
  assert.match(again.body.toString(), /was created just now. If you do not have its key/);
  assert.ok(again.body.toString().includes('href="/ui/robots/revoke?robot=web"'));
  const found = await eventually("the line", async () =>
    (await auditedRobots()).find(({ status }) => status === 200),
  );
  assert.deepEqual(
    [found.method, found.route, found.subject, found.robot],
    ["POST", "/ui/robots", "user:alice", "web"],
  );
  assert.equal((await readFile(audit, "utf8")).includes(key), false);
});

test("a robot is revoked after a confirmation, and is out at once", async () => {
  const made = await newRobot(root, "leaver", "--scope", "**:pull");
  const robot = new Client(url, 1, {}, basic(made.user, made.key));
  assert.equal((await robot.get("/v2/")).status, 200);
  const visitor = await loggedIn(url, "olga", "olga's");
  const path = "/ui/robots/revoke?robot=leaver";
  const confirmation = await visitor.get(path);
  assert.match(confirmation.body.toString(), /Revoke robot-leaver\?/);
  assert.equal((await robot.get("/v2/")).status, 200, "not before");
  const revoked = await visitor.submit("/ui/robots/revoke", { robot: "leaver" }, path);
  assert.equal(revoked.status, 303);
  const { location = "" } = revoked.headers;
  assert.match((await visitor.get(location)).body.toString(), /role="status">\s*The robot was revoked\./);
  assert.equal((await robot.get("/v2/")).status, 401);
  assert.equal((await visitor.get(path)).status, 404);
  assert.equal(
    (await visitor.submit("/ui/robots/revoke", { robot: "leaver" }, "/ui/robots/new")).status,
    404,
  );
  const found = await eventually("the line", async () =>
    (await auditedRobots()).find(({ robot: name, status }) => name === "leaver" && status === 303),
  );
  assert.deepEqual([found.route, found.subject], ["/ui/robots/revoke", "user:olga"]);
});

const otherRobot = { ...fields, name: "other" };

for (const [what, wrong] of [
  ["no name", { name: "" }],
  ["a name in capitals", { name: "Web" }],
  ["a name with HTML", { name: "<b>" }],
  ["no repositories", { repositories: " \n" }],
  ["a pattern that is none", { repositories: "!(a)" }],
  ["a long pattern", { repositories: "a".repeat(300) }],
  ["many patterns", { repositories: Array.from({ length: 101 }, (_, index) => `a${index}`).join("\n") }],
  ["an unknown permission", { permissions: "everything" }],
  ["no permission", { permissions: "" }],
  ["another lifetime", { expires: "999999999d" }],
] as const) {
  test(`${what} shows the form again, with the reason, and creates nothing`, async () => {
    const visitor = await loggedIn(url, "alice", "alice's");
    const entered: Record<string, string> = { ...otherRobot, ...wrong };
    const answer = await visitor.submit("/ui/robots", entered, "/ui/robots/new");
    assert.equal(answer.status, 400, answer.body.toString());
    assert.match(answer.body.toString(), /role="alert"/);
    assert.doesNotMatch(answer.body.toString(), /<b>/);
    const page = await visitor.get(`/ui/robots/new?${new URLSearchParams(entered)}`);
    assert.equal(page.status, 400);
    assert.doesNotMatch((await visitor.get("/ui/robots")).body.toString(), /robot-other/);
  });
}

test("many robots are on several pages, each below 50 KB", async () => {
  const crowded = await serve({ ...files.settings, REGISTRY_HTTP_UI_ENABLED: "true" });
  const visitor = await loggedIn(crowded.gantry.url, "alice", "alice's");
  const repositories = Array.from({ length: 20 }, (_, index) => `${"a".repeat(200)}/${index}/**`).join("\n");
  const form = await visitor.formToken("/ui/robots/new");
  for (let number = 0; number < 120; number++) {
    const name = `robot${String(number).padStart(3, "0")}`;
    const answer = await visitor.post("/ui/robots", { form, ...fields, name, repositories });
    assert.equal(answer.status, 200, answer.body.toString());
  }
  const seen: string[] = [];
  for (let path: string | undefined = "/ui/robots"; path !== undefined; ) {
    const answer = await visitor.get(path);
    assert.ok(answer.body.length < 50_000, `${answer.body.length} bytes`);
    const html = answer.body.toString();
    seen.push(...Array.from(html.matchAll(/<td>robot-(robot\d+)<\/td>/g), ([, name = ""]) => name));
    path = /href="(\/ui\/robots\?after=[^"]+)"/.exec(html)?.[1];
  }
  assert.equal(seen.length, 120);
  assert.deepEqual(seen, seen.toSorted());
});

test("without a policy, users manage robots, and robots do not", async () => {
  const { REGISTRY_AUTH_HTPASSWD_PATH = "" } = files.settings;
  const plain = await serve({ REGISTRY_AUTH_HTPASSWD_PATH, REGISTRY_HTTP_UI_ENABLED: "true" });
  const robot = await newRobot(plain.gantry.root, "admin", "--scope", "**:admin");
  assert.equal((await (await loggedIn(plain.gantry.url, "bob", "bob's")).get("/ui/robots")).status, 200);
  assert.equal(
    (await (await loggedIn(plain.gantry.url, robot.user, robot.key)).get("/ui/robots")).status,
    403,
  );
});

test("a server without logins has no robots", async () => {
  const open = await serve();
  const visitor = new Visitor(open.gantry.url);
  assert.equal((await visitor.get("/ui/robots")).status, 403);
  assert.doesNotMatch((await visitor.get("/ui/")).body.toString(), /\/ui\/robots/);
});
