// Limits of one client: wrong passwords, requests, uploads and sessions, each with 429 and Retry-After, and without effect
// on others.

import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { type Answer, assertError, Client, serve } from "../support/client.js";
import { blobOf, newName } from "../support/content.js";
import { oneProcess } from "../support/gantry.js";
import { basic, bearer, type Headers, LoginFiles, tokenFor } from "../support/login.js";
import { RawConnection } from "../support/raw.js";
import { eventually } from "../support/store.js";

const files = await LoginFiles.make();
await files.users({ ann: "2", bob: "3" });
const { REGISTRY_AUTH_HTPASSWD_PATH = "" } = files.settings;
const users = { REGISTRY_AUTH_HTPASSWD_PATH };

// Others learn later what is verified, counted once or free again: test/api/process-limits.test.ts.
const guarded = await serve({
  ...oneProcess,
  ...users,
  REGISTRY_LIMITS_LOGINS_FAILURES: "3",
  REGISTRY_LIMITS_LOGINS_PER: "1h",
});
const rated = await serve({
  ...users,
  REGISTRY_LIMITS_REQUESTS_RATE: "1",
  REGISTRY_LIMITS_REQUESTS_BURST: "20",
});
const sparing = await serve({
  ...oneProcess,
  ...users,
  REGISTRY_LIMITS_UPLOADS_PERCLIENT: "1",
  REGISTRY_LIMITS_SESSIONS_PERUSER: "2",
});

function assertTooMany(answer: Answer): void {
  assertError(answer, 429, "TOOMANYREQUESTS");
  assert.match(String(answer.headers["retry-after"]), /^[1-9]\d*$/);
}

/** Returns the status of a response to a client with another address on this machine. */
function statusFrom(localAddress: string, url: string, headers: Headers): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asking = request(`${url}/v2/`, { localAddress, headers, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asking.once("error", reject).end();
  });
}

test("a client with too many wrong passwords must wait; a logged-in user or another client need not", async () => {
  const { client, gantry } = guarded;
  const right = basic("ann", "2");
  assert.equal((await client.get("/v2/", right)).status, 200);
  for (const guess of ["a", "b", "c"])
    assertError(await client.get("/v2/", basic("ann", guess)), 401, "UNAUTHORIZED");
  assertTooMany(await client.get("/v2/", basic("ann", "d")));
  assertTooMany(await client.get("/token?service=gantry", basic("bob", "d")));
  assertTooMany(
    await client.request("POST", "/token", { body: "grant_type=password&username=bob&password=d" }),
  );
  assertTooMany(await client.get("/v2/", basic("bob", "3")));
  assert.equal((await client.get("/v2/", right)).status, 200, "a password verified a moment ago");
  assert.equal(await statusFrom("127.0.0.2", gantry.url, basic("bob", "3")), 200);
  assert.equal((await client.get("/v2/", basic("bob", "3"))).status, 200, "once it is known to be correct");
});

test("a wrong password that is repeated counts once", async () => {
  const url = guarded.gantry.url;
  for (let times = 0; times < 20; times++)
    assert.equal(await statusFrom("127.0.0.3", url, basic("ann", "old")), 401);
  assert.equal(await statusFrom("127.0.0.3", url, basic("ann", "older")), 401);
});

test("a wrong password in many concurrent requests counts once", async () => {
  const url = guarded.gantry.url;
  const many = Array.from({ length: 20 }, () => statusFrom("127.0.0.4", url, basic("ann", "old at once")));
  assert.deepEqual(new Set(await Promise.all(many)), new Set([401]));
  assert.equal(await statusFrom("127.0.0.4", url, basic("ann", "older at once")), 401);
});

test("forged tokens count like wrong passwords, and a repeated one counts once", async () => {
  const { client, gantry } = guarded;
  const token = await tokenFor(client, basic("ann", "2"));
  const from = (headers: Headers) => statusFrom("127.0.0.5", gantry.url, headers);
  const forged = (number: number) => {
    const [head, claims, signature = ""] = token.split(".");
    return bearer(`${head}.${claims}.${String(number).padStart(4, "A")}${signature.slice(4)}`);
  };
  assert.equal(await from(bearer(token)), 200);
  for (let times = 0; times < 20; times++) assert.equal(await from(forged(1)), 401);
  assert.equal(await from(forged(2)), 401);
  assert.equal(await from(forged(3)), 401);
  assert.equal(await from(forged(4)), 429);
  assert.equal(await from(basic("ann", "guess")), 429, "they are counted together");
  assert.equal(await from(bearer(token)), 200, "a token verified a moment ago");
});

test("requests of one user have a rate limit, and another user at the same address has a separate one", async () => {
  const { client } = rated;
  const answers: Answer[] = [];
  for (let times = 0; times < 40; times++) answers.push(await client.get("/v2/", basic("ann", "2")));
  const refused = answers.filter(({ status }) => status !== 200);
  assert.ok(refused.length > 10 && refused.length <= 20, `${refused.length} were refused`);
  for (const answer of refused) assertTooMany(answer);
  assert.equal((await client.get("/v2/", basic("bob", "3"))).status, 200);
});

test("one user has a limited number of concurrent uploads, and others have theirs", async () => {
  const { client, gantry } = sparing;
  const name = newName();
  using sending = await RawConnection.open(gantry.url);
  const blob = blobOf(100);
  const head = (length: number) => [
    `POST /v2/${name}/blobs/uploads/?digest=${blob.digest} HTTP/1.1`,
    "Host: registry",
    `Authorization: ${basic("ann", "2").Authorization}`,
    `Content-Length: ${length}`,
  ];
  sending.send(head(blob.bytes.length), blob.bytes.subarray(0, 50));
  const push = (user: string, password: string) =>
    client.request("POST", `/v2/${name}/blobs/uploads/?digest=${blob.digest}`, {
      body: blob.bytes,
      headers: basic(user, password),
    });
  const refused = await eventually("a second upload is refused", async () => {
    const answer = await push("ann", "2");
    return answer.status === 429 ? answer : undefined;
  });
  assertTooMany(refused);
  assert.equal((await push("bob", "3")).status, 201);
  sending.write(blob.bytes.subarray(50));
  assert.equal((await sending.answer()).status, 201);
  assert.equal((await push("ann", "2")).status, 201, "its place is free again");
});

test("a token request form does not count as an upload", async () => {
  const { client, gantry } = sparing;
  const form = "grant_type=password&service=gantry&client_id=docker&username=ann&password=2";
  using asking = await RawConnection.open(gantry.url);
  asking.send(
    ["POST /token HTTP/1.1", "Host: registry", `Content-Length: ${form.length}`],
    form.slice(0, 20),
  );
  for (let times = 0; times < 5; times++)
    assert.equal((await client.request("POST", "/token", { body: form })).status, 200);
  asking.write(form.slice(20));
  assert.equal((await asking.answer()).status, 200);
});

test("one user has a limited number of open sessions, and others have theirs", async () => {
  const { gantry } = sparing;
  const by = (headers: Headers) => new Client(gantry.url, 1, undefined, headers);
  const [ann, bob] = [by(basic("ann", "2")), by(basic("bob", "3"))];
  const name = newName();
  const open = (who: Client) => who.request("POST", `/v2/${name}/blobs/uploads/`, { body: "" });
  const first = await ann.openUpload(name);
  await ann.openUpload(name);
  assertTooMany(await open(ann));
  assert.equal((await open(bob)).status, 202);
  assert.equal((await ann.delete(first)).status, 204);
  assert.equal((await open(ann)).status, 202);
});
