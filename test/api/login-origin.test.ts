// The login address that clients get behind proxies missing in the settings: it never makes them send a password in plain
// HTTP over a network. And the content of the error's body.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertError, type Client, serve } from "../support/client.js";
import { blobOf } from "../support/content.js";
import { basic, bearer, LoginFiles, tokenFor } from "../support/login.js";
import { eventually } from "../support/store.js";

const files = await LoginFiles.make();
await files.users({ alice: "alice's password" });
const { REGISTRY_AUTH_HTPASSWD_PATH = "" } = files.settings;
const settings = { REGISTRY_AUTH_HTPASSWD_PATH };
const { client, gantry } = await serve(settings);
const trusting = await serve({ ...settings, REGISTRY_HTTP_TRUSTEDPROXIES: "[127.0.0.1]" });
const named = await serve({ ...settings, REGISTRY_HTTP_HOST: "http://registry.test:5000" });
const byName = await serve({ ...settings, REGISTRY_AUTH_CHALLENGE: "basic" });

const host = "registry.example.com";
const basicChallenge = 'Basic realm="gantry", charset="UTF-8"';
const bearerAt = (origin: string) => `Bearer realm="${origin}/token",service="gantry"`;

const cases: readonly [what: string, at: Client, headers: Record<string, string>, challenge: string][] = [
  ["this machine itself", client, {}, bearerAt(gantry.url)],
  ["a name, and no proxy", client, { Host: host }, basicChallenge],
  ["a name with the server's port", client, { Host: `${host}:5000` }, basicChallenge],
  [
    "nginx, Traefik, Caddy: https",
    client,
    { Host: host, "X-Forwarded-Proto": "https" },
    bearerAt(`https://${host}`),
  ],
  [
    "a chain of proxies",
    client,
    { Host: host, "X-Forwarded-Proto": "https,http" },
    bearerAt(`https://${host}`),
  ],
  ["RFC 7239", client, { Host: host, Forwarded: "for=192.0.2.7;proto=https" }, bearerAt(`https://${host}`)],
  ["an older load balancer", client, { Host: host, "X-Forwarded-SSL": "on" }, bearerAt(`https://${host}`)],
  [
    "a proxy with http, behind one with TLS",
    client,
    { Host: host, "X-Forwarded-Proto": "http" },
    basicChallenge,
  ],
  ["HAProxy with forwardfor alone", client, { Host: host, "X-Forwarded-For": "192.0.2.7" }, basicChallenge],
  ["nginx without Host", client, { "X-Forwarded-Proto": "https" }, basicChallenge],
  [
    "a host that is not trusted",
    client,
    { Host: host, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example" },
    bearerAt(`https://${host}`),
  ],
  [
    "a trusted proxy with https",
    trusting.client,
    { Host: host, "X-Forwarded-Proto": "https" },
    bearerAt(`https://${host}`),
  ],
  [
    "a trusted proxy with another host",
    trusting.client,
    { "X-Forwarded-Proto": "https", "X-Forwarded-Host": host },
    bearerAt(`https://${host}`),
  ],
  ["a trusted proxy with http", trusting.client, { Host: host, "X-Forwarded-Proto": "http" }, basicChallenge],
  ["a trusted proxy without headers", trusting.client, { Host: host }, basicChallenge],
  [
    "http.host",
    named.client,
    { Host: host, "X-Forwarded-Proto": "https" },
    bearerAt("http://registry.test:5000"),
  ],
  ["auth.challenge: basic", byName.client, { Host: host, "X-Forwarded-Proto": "https" }, basicChallenge],
];
for (const [what, at, headers, challenge] of cases) {
  test(`${what}: ${challenge}`, async () => {
    const answer = await at.get("/v2/", headers);
    assertError(answer, 401, "UNAUTHORIZED");
    assert.equal(answer.headers["www-authenticate"], challenge);
  });
}

test("a client asked for name and password can log in with them, and with a token", async () => {
  const Host = host;
  assert.equal((await client.get("/v2/", { Host, ...basic("alice", "alice's password") })).status, 200);
  const token = await tokenFor(client, { Host, ...basic("alice", "alice's password") });
  assert.equal((await client.get("/v2/", { Host, ...bearer(token) })).status, 200);
});

test("the log names the missing settings, once each", async () => {
  const { client: at, gantry: server } = await serve(settings);
  for (let time = 0; time < 3; time++) {
    await at.get("/v2/", { Host: "one.example" });
    await at.get("/v2/", { Host: host, "X-Forwarded-Proto": "https" });
  }
  const lines = (part: string) =>
    server
      .log()
      .split("\n")
      .filter((line) => line.includes(part));
  await eventually("both", async () => lines("http.trustedproxies").length >= 2 || undefined, 5000);
  assert.equal(lines("the address by which clients reach this server is unknown").length, 1, server.log());
  assert.equal(lines("a proxy that is not in http.trustedproxies").length, 1, server.log());
});

const repository = (Name: string, Action: string) => ({ Type: "repository", Class: "", Name, Action });
const { digest } = blobOf(10);
const details: readonly [method: string, path: string, detail: unknown][] = [
  ["GET", "/v2/", null],
  ["GET", "/v2/a/b/manifests/latest", [repository("a/b", "pull")]],
  ["GET", `/v2/a/b/blobs/${digest}`, [repository("a/b", "pull")]],
  ["POST", "/v2/a/b/blobs/uploads/", [repository("a/b", "pull"), repository("a/b", "push")]],
  ["DELETE", "/v2/a/b/manifests/latest", [repository("a/b", "delete")]],
  [
    "POST",
    `/v2/a/b/blobs/uploads/?mount=${digest}&from=c`,
    [repository("a/b", "pull"), repository("a/b", "push"), repository("c", "pull")],
  ],
  ["GET", "/v2/_catalog", [{ Type: "registry", Class: "", Name: "catalog", Action: "*" }]],
];
for (const [method, path, detail] of details) {
  for (const [how, at] of [
    ["a token", client],
    ["name and password", byName.client],
  ] as const) {
    test(`${method} ${path.slice(0, 60)} without a login states the access that ${how} needs`, async () => {
      const answer = await at.request(method, path, method === "POST" ? { body: "" } : {});
      assertError(answer, 401, "UNAUTHORIZED");
      const message = "authentication required";
      assert.deepEqual(answer.json(), { errors: [{ code: "UNAUTHORIZED", message, detail }] });
    });
  }
}
