// The token endpoint as clients use it: docker login by GET, Docker's and containerd's OAuth form by POST, and refresh
// tokens if enabled.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertError, Client, serve } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { basic, bearer, LoginFiles, tokenIn } from "../support/login.js";

const files = await LoginFiles.make();
await files.users({ ann: "2" });
const { REGISTRY_AUTH_HTPASSWD_PATH = "" } = files.settings;
const users = { REGISTRY_AUTH_HTPASSWD_PATH };
const { client, gantry } = await serve(users);
const refreshing = await serve({ ...users, REGISTRY_AUTH_TOKENSERVICE_REFRESHLIFETIME: "1h" });
const askingForPasswords = await serve({ ...users, REGISTRY_AUTH_CHALLENGE: "basic" });
const without = await serve({ ...users, REGISTRY_AUTH_TOKENSERVICE_ENABLED: "false" });
const open = await serve();

const ann = basic("ann", "2");

function post(form: Readonly<Record<string, string>>, at = client) {
  return at.request("POST", "/token", {
    body: new URLSearchParams(form).toString(),
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
  });
}

const passwordForm = {
  grant_type: "password",
  service: "gantry",
  client_id: "docker",
  username: "ann",
  password: "2",
};

test("docker login: the root names the token server, and an empty token opens it", async () => {
  const asked = await client.get("/v2/");
  assertError(asked, 401, "UNAUTHORIZED");
  const challenge = String(asked.headers["www-authenticate"]);
  assert.equal(challenge, `Bearer realm="${gantry.url}/token",service="gantry"`);
  const given = tokenIn(
    await client.get("/token?account=ann&client_id=docker&offline_token=true&service=gantry", ann),
  );
  assert.equal(given.token, given.access_token);
  assert.equal(given.expires_in, 300);
  assert.ok(Math.abs(Date.parse(given.issued_at) - Date.now()) < 60_000);
  assert.equal(given.scope, "");
  assert.equal(given.refresh_token, undefined, "there are none unless they are enabled");
  assert.equal((await client.get("/v2/", bearer(given.token))).status, 200);
  assertError(await client.get("/token?service=gantry", basic("ann", "wrong")), 401, "UNAUTHORIZED");
});

for (const [how, ask] of [
  ["by GET", (scope: string) => client.get(`/token?service=gantry&scope=${scope}`, ann)],
  ["by POST", (scope: string) => post({ ...passwordForm, scope })],
] as const)
  test(`a token obtained ${how} pushes and pulls within its scope`, async () => {
    const name = newName();
    const given = tokenIn(await ask(`repository:${name}:pull,push`));
    assert.equal(given.scope, `repository:${name}:pull,push`);
    const holder = new Client(gantry.url, undefined, undefined, bearer(given.token));
    const made = image();
    await holder.pushImage(name, made, "latest");
    assert.ok((await holder.get(`/v2/${name}/manifests/latest`)).body.equals(made.bytes));
  });

test("the challenge of a push names the required scope", async () => {
  const answer = await client.request("POST", "/v2/team/app/blobs/uploads/", { body: "" });
  assert.equal(
    answer.headers["www-authenticate"],
    `Bearer realm="${gantry.url}/token",service="gantry",scope="repository:team/app:pull,push"`,
  );
});

test("an invalid form gets no token", async () => {
  for (const [form, status] of [
    [{ ...passwordForm, password: "wrong" }, 401],
    [{ ...passwordForm, username: "bob" }, 401],
    [{ ...passwordForm, service: "other" }, 400],
    [{ ...passwordForm, grant_type: "client_credentials" }, 400],
    [{ grant_type: "password", username: "ann" }, 400],
    [{ ...passwordForm, scope: "everything" }, 400],
    [{ grant_type: "refresh_token", refresh_token: "a.b.c" }, 401],
  ] as const)
    assert.equal((await post(form)).status, status, JSON.stringify(form));
  assert.equal((await client.request("POST", "/token", { body: "x".repeat(70_000) })).status, 413);
});

test("a refresh token gets new tokens, is not an access token, and stays the same", async () => {
  const { client: there } = refreshing;
  const offline = tokenIn(await post({ ...passwordForm, access_type: "offline" }, there));
  const refresh = offline.refresh_token ?? "";
  assert.notEqual(refresh, "");
  assert.equal(
    tokenIn(await there.get("/token?service=gantry", ann)).refresh_token,
    undefined,
    "nobody asked",
  );
  assertError(await there.get("/v2/", bearer(refresh)), 401, "UNAUTHORIZED");
  assertError(await there.get("/v2/", basic("ann", refresh)), 401, "UNAUTHORIZED");
  const form = { grant_type: "refresh_token", refresh_token: refresh, service: "gantry" };
  const again = tokenIn(await post({ ...form, scope: "repository:team/app:pull" }, there));
  assert.equal(again.scope, "repository:team/app:pull");
  assert.equal(again.refresh_token, refresh);
  assert.equal((await there.get("/v2/", bearer(again.token))).status, 200);
  assertError(await post({ ...form, refresh_token: offline.token }, there), 401, "UNAUTHORIZED");
  assertError(await post(form), 401, "UNAUTHORIZED");
});

test("name and password are accepted with each request, too, and requested if configured", async () => {
  for (const at of [client, askingForPasswords.client, without.client])
    assert.equal((await at.get("/v2/", ann)).status, 200);
  for (const { client: at } of [askingForPasswords, without]) {
    const { headers } = await at.get("/v2/");
    assert.equal(headers["www-authenticate"], 'Basic realm="gantry", charset="UTF-8"');
  }
});

test("a server that issues no tokens has no such endpoint", async () => {
  for (const { client: at } of [without, open]) {
    assertError(await at.get("/token?service=gantry"), 404, "UNSUPPORTED");
    assertError(await post(passwordForm, at), 404, "UNSUPPORTED");
  }
});
