// Changes while the server runs: a removed user is locked out within seconds, whatever is cached, and a broken file changes
// nothing and is reported.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertError, Client, serve } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { type RunningGantry, startGantry } from "../support/gantry.js";
import { startInside } from "../support/inside.js";
import {
  basic,
  bearer,
  type Headers,
  LoginFiles,
  newRobot,
  revokeRobot,
  tokenFor,
  tokenIn,
} from "../support/login.js";
import { eventually } from "../support/store.js";

const users = { owner: "1", ann: "2", bob: "3" };
const rules = {
  owner: '- { repositories: "**", users: owner, allow: admin }',
  team: '- { repositories: "team/**", groups: crew, allow: [pull, push] }',
  open: '- { repositories: "open/**", anonymous: true, allow: pull }',
};

function policyOf(crew: readonly string[], ...some: readonly string[]): string {
  return `groups: { crew: [${crew.join()}] }\nrules:\n  ${some.join("\n  ")}\n`;
}

interface Served {
  readonly files: LoginFiles;
  readonly gantry: RunningGantry;
  readonly client: Client;
}

/** One server for all tests of the file: each restores the files. */
async function serveWithFiles(): Promise<Served> {
  const files = await LoginFiles.make();
  await files.users(users);
  await files.policy(policyOf(["ann"], rules.owner, rules.team, rules.open));
  return { files, ...(await serve({ ...files.settings, REGISTRY_AUTH_TOKENSERVICE_REFRESHLIFETIME: "1h" })) };
}

const { files, gantry, client } = await serveWithFiles();
const owner = new Client(gantry.url, undefined, undefined, basic("owner", "1"));

async function pushed(prefix: string): Promise<string> {
  const name = newName(prefix);
  await owner.pushImage(name, image(), "latest");
  return `/v2/${name}/manifests/latest`;
}

function answers(path: string, headers: Headers, status: number): Promise<true> {
  return eventually(`${path} is answered with ${status}`, async () =>
    (await client.get(path, headers)).status === status ? true : undefined,
  );
}

const logged = (what: RegExp) => eventually(String(what), () => (what.test(gantry.log()) ? true : undefined));

test("a removed user is locked out within seconds, with password, token and refresh token", async () => {
  const path = await pushed("team/app");
  const name = path.split("/manifests/")[0]?.slice("/v2/".length);
  const password = basic("ann", "2");
  const given = tokenIn(
    await client.get(`/token?scope=repository:${name}:pull&offline_token=true`, password),
  );
  const { token, refresh_token: refresh = "" } = given;
  for (const headers of [password, bearer(token)])
    for (let times = 0; times < 3; times++) assert.equal((await client.get(path, headers)).status, 200);
  const refreshing = () =>
    client.request("POST", "/token", {
      body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refresh }).toString(),
    });
  assert.equal((await refreshing()).status, 200);

  await files.users({ owner: "1", bob: "3" });
  await answers(path, password, 401);
  assertError(await client.get(path, bearer(token)), 401, "UNAUTHORIZED");
  assertError(await refreshing(), 401, "UNAUTHORIZED");

  await files.users({ ...users, ann: "another" });
  await answers(path, basic("ann", "another"), 200);
  for (const headers of [password, bearer(token)])
    assertError(await client.get(path, headers), 401, "UNAUTHORIZED");
  assertError(await refreshing(), 401, "UNAUTHORIZED");
  await files.users(users);
  await answers(path, password, 200);
});

test("a user who leaves a group loses its access, although content and token are cached", async () => {
  const path = await pushed("team/app");
  const name = path.split("/manifests/")[0]?.slice("/v2/".length);
  const token = await tokenFor(client, basic("ann", "2"), `repository:${name}:pull,push`);
  const both = [basic("ann", "2"), bearer(token)];
  for (const headers of both) assert.equal((await client.get(path, headers)).status, 200);
  await files.policy(policyOf(["bob"], rules.owner, rules.team, rules.open));
  await answers(path, basic("bob", "3"), 200);
  for (const headers of both) assertError(await client.get(path, headers), 403, "DENIED");
  await files.policy(policyOf(["ann"], rules.owner, rules.team, rules.open));
  await answers(path, basic("ann", "2"), 200);
});

test("content that is no longer public is sent to nobody, although it is cached", async () => {
  const path = await pushed("open/app");
  for (let times = 0; times < 3; times++) assert.equal((await client.get(path)).status, 200);
  await files.policy(policyOf(["ann"], rules.owner, rules.team));
  await answers(path, {}, 401);
  assertError(await client.get("/v2/_catalog"), 401, "UNAUTHORIZED");
  await files.policy(policyOf(["ann"], rules.owner, rules.team, rules.open));
  await answers(path, {}, 200);
});

test("a broken policy leaves the previous one in effect, and the log has the error and its line", async () => {
  const path = await pushed("team/app");
  for (const [text, why] of [
    ["rules: [", /policy\.yaml.*the changed access policy cannot be used: the previous one stays in effect/],
    [
      "rules:\n  - { repositories: a, anonymous: true, allow: push }\n  - { repositories: a, allow: pull }",
      /rules\.0 = .*: grants anonymous users more than pull.*rules\.1 = .*: needs anonymous/s,
    ],
    [
      "rules:\n  - { repositories: a, user: ann, allow: pull }",
      /rules\.0 = .*: there is no key user; the nearest is users/,
    ],
    ["rules: []\nmetrics: { users: [] }", /metrics = .*: needs authenticated, users, groups or claims/],
    ["rules: []\nmetrics: { anonymous: true }", /metrics = .*: there is no key anonymous/],
  ] as const) {
    await files.policy(text);
    await logged(why);
    assert.equal((await client.get(path, basic("ann", "2"))).status, 200);
    assertError(await client.get(path, basic("bob", "3")), 403, "DENIED");
  }
  await files.policy(policyOf(["bob"], rules.owner, rules.team, rules.open));
  await answers(path, basic("bob", "3"), 200);
  await files.policy(policyOf(["ann"], rules.owner, rules.team, rules.open));
  await answers(path, basic("ann", "2"), 200);
});

test("a broken users file leaves the previous users, and the log reports it without any hash", async () => {
  await files.write("users", "ann:$2y$05$cut");
  await logged(/the changed htpasswd file cannot be used: the previous users stay in effect/);
  assert.equal((await client.get("/v2/", basic("ann", "2"))).status, 200);
  assert.doesNotMatch(gantry.log(), /\$2[aby]\$/);
  await files.users(users);
});

test("a revoked robot is locked out at once, with key and token", async () => {
  const path = await pushed("team/app");
  const name = path.split("/manifests/")[0]?.slice("/v2/".length);
  const { user, key } = await newRobot(gantry.root, "one", "--scope", "team/**:pull");
  const token = await tokenFor(client, basic(user, key), `repository:${name}:pull`);
  const both = [basic(user, key), bearer(token)];
  for (const headers of both) assert.equal((await client.get(path, headers)).status, 200);
  await revokeRobot(gantry.root, "one");
  for (const headers of both) assertError(await client.get(path, headers), 401, "UNAUTHORIZED");
  await newRobot(gantry.root, "one", "--scope", "**:admin");
  for (const headers of both) assertError(await client.get(path, headers), 401, "UNAUTHORIZED");
});

test("no server starts with a broken file", async () => {
  const broken = await LoginFiles.make();
  await broken.users(users);
  await broken.policy("rules: nothing");
  await assert.rejects(startInside(broken.settings), /policy\.yaml:1: rules = "nothing": expected a list/);
  await broken.policy(policyOf([], rules.owner));
  await broken.write("users", "nonsense");
  await assert.rejects(
    startInside(broken.settings),
    /users" \(REGISTRY_AUTH_HTPASSWD_PATH\): line 1: expected name:hash/,
  );
  await assert.rejects(
    startInside({ REGISTRY_AUTH_HTPASSWD_PATH: `${broken.folder}/absent` }),
    /absent does not exist/,
  );
});

test("a user's token is not accepted by a server without users", async () => {
  const own = await LoginFiles.make();
  await own.users({ ann: "2" });
  await own.policy('rules:\n  - { repositories: "**", users: ann, allow: admin }');
  const { REGISTRY_AUTH_HTPASSWD_PATH = "", REGISTRY_AUTH_POLICY = "" } = own.settings;
  await using first = await startGantry({ REGISTRY_AUTH_HTPASSWD_PATH, REGISTRY_AUTH_POLICY });
  const token = await tokenFor(new Client(first.url), basic("ann", "2"), "repository:app:pull");
  await first.kill();
  await using second = await startInside({ REGISTRY_AUTH_POLICY }, first.root);
  assertError(await new Client(second.url).get("/v2/", bearer(token)), 401, "UNAUTHORIZED");
});
