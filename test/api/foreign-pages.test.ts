// Changes that a page of another site sends from a browser are refused, on every row of the API's table that changes something.
// Programs that are no browsers send neither `Origin` nor `Sec-Fetch-Site`.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Route } from "../../src/http/router.js";
import { routes } from "../../src/http/routes.js";
import { assertError, type Client, type RequestOptions, serve } from "../support/client.js";
import { blobOf, index, newName } from "../support/content.js";
import { basic, LoginFiles } from "../support/login.js";
import { storedByRequests } from "../support/store.js";

const settings = { REGISTRY_STORAGE_DELETE_ENABLED: "true" };
const ui = "https://ui.example";
const open = await serve(settings);
const named = await serve({ ...settings, REGISTRY_HTTP_HOST: "https://registry.example.com" });
const allowing = await serve({
  ...settings,
  REGISTRY_HTTP_HEADERS: `{access-control-allow-origin: ["${ui}", "http://UI.lan:8080"]}`,
});
const allowingAll = await serve({
  ...settings,
  REGISTRY_HTTP_HEADERS: `{Access-Control-Allow-Origin: ["*"]}`,
});
const files = await LoginFiles.make();
await files.users({ alice: "alice's" });
const { REGISTRY_AUTH_HTPASSWD_PATH = "" } = files.settings;
const closed = await serve({ ...settings, REGISTRY_AUTH_HTPASSWD_PATH });

const { port } = new URL(open.gantry.url);
type Headers = Readonly<Record<string, string>>;
const own = open.gantry.url;

const foreign: Readonly<Record<string, Headers>> = {
  "another site": { Origin: "https://evil.example", "Sec-Fetch-Site": "cross-site" },
  "another site over plain HTTP, of which browsers tell the origin only": { Origin: "http://evil.example" },
  "another port": { Origin: "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site" },
  "a sandboxed frame": { Origin: "null", "Sec-Fetch-Site": "cross-site" },
  "a site with our origin in its name": { Origin: `${own}.evil.example` },
  "two origins": { Origin: `${own}, https://evil.example` },
  "another site that hides its origin": { "Sec-Fetch-Site": "cross-site" },
  "a foreign name for this server": {
    Host: `evil.example:${port}`,
    Origin: `http://evil.example:${port}`,
  },
  "a foreign name for this server, over HTTPS": {
    Host: "evil.example",
    Origin: "https://evil.example",
    "Sec-Fetch-Site": "same-origin",
  },
};

const rows: readonly Route[] = routes;
const changes = rows.flatMap((row) =>
  row.methods
    .filter((method) => method !== "GET" && method !== "HEAD")
    .map((method) => ({ method, path: row.path, row })),
);

interface Asked extends RequestOptions {
  readonly path: string;
}

/** A request on the row that changes something, and the status if it is not refused. */
async function askedOf(client: Client, method: string, path: string): Promise<Asked & { status: number }> {
  const name = newName("team/app");
  const [first, second, blob] = [index([], { annotations: { n: "1" } }), index([]), blobOf(20)];
  const [tag, last] = ["v1", path.match(/<(\w+)>$/)?.[1]];
  for (const { bytes, mediaType } of [first, second])
    assert.equal((await client.putManifest(name, tag, bytes, mediaType)).status, 201);
  await client.pushBlobs(name, blob);
  const at = (text: string) => path.replace("<name>", name).replace(/<\w+>$/, text);
  // As a page can send it without a preflight.
  const headers = { "Content-Type": "text/plain" };
  if (last === "session") {
    const session = new URL(await client.openUpload(name), own).pathname.split("/").at(-1) ?? "";
    const more = blobOf(30);
    if (method === "DELETE") return { path: at(session), headers, status: 204 };
    if (method === "PATCH") return { path: at(session), headers, body: more.bytes, status: 202 };
    return { path: `${at(session)}?digest=${more.digest}`, headers, body: more.bytes, status: 201 };
  }
  if (path.includes("/rollback/")) return { path: `${at(tag)}?digest=${first.digest}`, headers, status: 201 };
  if (last === "digest") return { path: at(blob.digest), headers, status: 202 };
  if (last === "reference" && method === "DELETE") return { path: at(tag), headers, status: 202 };
  if (last === "reference")
    return { path: at(tag), headers: { "Content-Type": first.mediaType }, body: first.bytes, status: 201 };
  if (path.startsWith("/v2/<name>/blobs/uploads")) {
    const whole = blobOf(40);
    return { path: `${at("")}?digest=${whole.digest}`, headers, body: whole.bytes, status: 201 };
  }
  const form = new URLSearchParams({ grant_type: "password", username: "a", password: "b", service: "c" });
  assert.equal(path, "/token", "a row that this test does not know");
  // This server has no logins.
  return { path, headers, body: form.toString(), status: 404 };
}

async function send(client: Client, method: string, { path, headers, body }: Asked, more: Headers = {}) {
  return client.request(method, path, {
    headers: { ...headers, ...more },
    ...(body !== undefined && { body }),
  });
}

/** What the store has, and what the tag points to. */
async function state({ client, gantry }: typeof open, { path }: Asked): Promise<unknown> {
  const name = /^\/v2\/(team\/app[^/]*)/.exec(path)?.[1];
  const tag = await client.head(`/v2/${name}/manifests/v1`);
  return [tag.status, tag.headers["docker-content-digest"], await storedByRequests(gantry.root)];
}

test("the table has rows that change something", () => assert.ok(changes.length >= 10));

for (const { method, path, row } of changes) {
  test(`${method} ${path} declares the headers by which browsers tell who sends it`, () => {
    for (const header of ["origin", "sec-fetch-site"]) assert.ok(row.headers.includes(header), header);
  });

  test(`${method} ${path} is refused if a page of another site sends it, and changes nothing`, async () => {
    const asked = await askedOf(open.client, method, path);
    const before = await state(open, asked);
    for (const [what, headers] of Object.entries(foreign)) {
      const answer = await send(open.client, method, asked, headers);
      assert.equal(answer.status, 403, what);
      assertError(answer, 403, "DENIED");
      assert.match(answer.body.toString(), /http\.host/, what);
    }
    assert.deepEqual(await state(open, asked), before);
    assert.equal((await send(open.client, method, asked)).status, asked.status, "no browser sends it");
  });

  test(`${method} ${path} is taken from pages of this server and of allowed origins`, async () => {
    for (const [server, headers] of [
      [open, { Origin: own, "Sec-Fetch-Site": "same-origin" }],
      [open, { Host: `localhost:${port}`, Origin: `http://localhost:${port}` }],
      [open, { "Sec-Fetch-Site": "same-origin" }],
      [named, { Origin: "https://registry.example.com" }],
      [named, { Host: "registry.example.com", Origin: "https://registry.example.com" }],
      [allowing, { Origin: ui, "Sec-Fetch-Site": "cross-site" }],
      [allowing, { Origin: "http://ui.lan:8080", Host: "registry.lan:5000" }],
      [allowingAll, { Origin: "https://any.example", "Sec-Fetch-Site": "cross-site" }],
    ] as const) {
      const asked = await askedOf(server.client, method, path);
      const answer = await send(server.client, method, asked, headers);
      assert.equal(answer.status, asked.status, `${JSON.stringify(headers)}: ${answer.body.toString()}`);
    }
  });
}

test("an origin that http.headers does not allow is refused", async () => {
  const asked = await askedOf(allowing.client, "DELETE", "/v2/<name>/manifests/<reference>");
  for (const headers of [
    { Origin: "https://evil.example", "Sec-Fetch-Site": "cross-site" },
    { Origin: `${ui}.evil.example` },
    { Host: "evil.example", Origin: "http://evil.example" },
    { "Sec-Fetch-Site": "cross-site" },
  ])
    assertError(await send(allowing.client, "DELETE", asked, headers), 403, "DENIED");
});

test("with logins, a page of another site is refused before its login, and any name is fine for our own", async () => {
  const { client } = closed;
  const path = `/v2/${newName()}/blobs/uploads/`;
  const login = basic("alice", "alice's");
  const post = (headers: Headers) => client.request("POST", path, { headers, body: "" });
  const evil = { Origin: "https://evil.example" };
  assertError(await post({ ...login, ...evil }), 403, "DENIED");
  assertError(await post({ ...basic("alice", "wrong"), ...evil }), 403, "DENIED");
  const page = { Host: "registry.lan:5000", Origin: "http://registry.lan:5000" };
  assert.equal((await post({ ...login, ...page })).status, 202);
});

test("reading needs no origin of ours, and a refusal names the origin that was sent", async () => {
  const headers = { Origin: "https://evil.example", "Sec-Fetch-Site": "cross-site" };
  assert.equal((await open.client.get("/v2/", headers)).status, 200);
  assert.equal((await open.client.get("/v2/", { Host: "evil.example" })).status, 200);
  const path = `/v2/${newName()}/blobs/uploads/`;
  const answer = await open.client.request("POST", path, { headers, body: "" });
  assert.match(answer.body.toString(), /"detail":\{"origin":"https:\/\/evil\.example"\}/);
  assert.match(answer.body.toString(), /Access-Control-Allow-Origin in http\.headers/);
});
