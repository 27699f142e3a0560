// Liveness and readiness: public, and outside the API.

import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Answer, Client, serve } from "../support/client.js";
import { freePort } from "../support/free-port.js";
import { eventually } from "../support/store.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-health-"));
after(() => rm(folder, { recursive: true, force: true }));
await writeFile(join(folder, "users"), "");

const often = {
  REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL: "20ms",
  REGISTRY_HEALTH_STORAGEDRIVER_THRESHOLD: "2",
};
const { gantry, client } = await serve({ REGISTRY_AUTH_HTPASSWD_PATH: join(folder, "users"), ...often });
const debugAddress = `127.0.0.1:${await freePort()}`;
const full = await serve({
  REGISTRY_HEALTH_STORAGEDRIVER_FREEMIB: String(2 ** 40),
  REGISTRY_HTTP_DEBUG_ADDR: debugAddress,
});
const debug = new Client(`http://${debugAddress}`);
const unwatched = await serve({
  REGISTRY_HEALTH_STORAGEDRIVER_FREEMIB: String(2 ** 40),
  REGISTRY_HEALTH_STORAGEDRIVER_ENABLED: "false",
});

/** Returns the response of `/readyz` once it has this status. */
function readiness(status: number, of = client): Promise<Answer> {
  return eventually(`${status} of /readyz`, async () => {
    const answer = await of.get("/readyz");
    return answer.status === status ? answer : undefined;
  });
}

test("both respond without a login even if the API requires one", async () => {
  assert.equal((await client.get("/v2/")).status, 401);
  assert.deepEqual((await readiness(200)).json(), { status: "ready" });
  const alive = await client.get("/livez");
  assert.deepEqual([alive.status, alive.json()], [200, { status: "alive" }]);
  assert.equal(alive.headers["cache-control"], "no-store");
  for (const path of ["/livez", "/readyz"]) {
    assert.equal((await client.head(path)).status, 200);
    assert.equal((await client.request("POST", path, { body: "" })).status, 405);
  }
});

test("wrong credentials do not affect them", async () => {
  const wrong = { Authorization: `Basic ${Buffer.from("nobody:nothing").toString("base64")}` };
  assert.equal((await client.get("/livez", wrong)).status, 200);
});

test("a storage that cannot be written to makes the server unready until it can be written to again", async () => {
  await readiness(200);
  const uploads = join(gantry.root, "uploads");
  await rename(uploads, `${uploads}-gone`);
  const answer = await readiness(503);
  assert.deepEqual(answer.json(), {
    status: "failing",
    failures: { storage: "the storage cannot be written to" },
  });
  assert.equal((await client.get("/livez")).status, 200, "a restart would not help");
  await rename(`${uploads}-gone`, uploads);
  await readiness(200);
  assert.match(gantry.log(), /"part":"storage"[^\n]*ENOENT/);
});

test("too little space makes the server unready, and pulls continue", async () => {
  const answer = await readiness(503, full.client);
  assert.match(answer.body.toString(), /too little space/);
  assert.equal((await full.client.get("/v2/")).status, 200);
});

test("a server with checks disabled is ready", async () => {
  assert.equal((await unwatched.client.get("/readyz")).status, 200);
});

test("the debug server reports the same, also at CNCF distribution's path", async () => {
  const answer = await readiness(503, full.client);
  for (const path of ["/readyz", "/debug/health"]) {
    const same = await debug.get(path);
    assert.deepEqual([same.status, same.json()], [503, answer.json()]);
    assert.equal(same.headers["cache-control"], "no-store");
  }
  assert.equal((await debug.head("/livez")).status, 200);
});

test("the debug server without metrics serves nothing else, and accepts nothing", async () => {
  for (const path of ["/metrics", "/v2/", "/toString", "/"])
    assert.equal((await debug.get(path)).status, 404);
  const answer = await debug.request("POST", "/livez", { body: "" });
  assert.deepEqual([answer.status, answer.headers.allow], [405, "GET, HEAD"]);
});
