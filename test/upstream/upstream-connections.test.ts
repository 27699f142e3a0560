// Connections to an upstream registry: certificates, names and ports that do not work get a clear answer.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createServer } from "node:tls";
import type { Issued } from "../support/certificates.js";
import { Client, serve } from "../support/client.js";
import { gantry } from "../support/command.js";
import { image, newName } from "../support/content.js";
import { freePort } from "../support/free-port.js";
import { startInside } from "../support/inside.js";
import { newAuthority, newCertificateFiles } from "../support/tls.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const authority = await newAuthority("upstream CA");
const files = await newCertificateFiles();
const ca = await files.write("ca.pem", authority.pem);

/** Terminates TLS in front of the upstream, and returns its URL. */
async function behindTls({ pem, keyPem }: Pick<Issued, "pem" | "keyPem">): Promise<string> {
  const server = createServer({ cert: pem, key: keyPem }, (socket) => {
    const { hostname, port } = new URL(upstream.url);
    const onward = connect(Number(port), hostname);
    socket.on("error", () => onward.destroy());
    onward.on("error", () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  });
  server.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => server.close());
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const here = { addresses: ["127.0.0.1"] };
const [good, expired, other] = await Promise.all([
  authority.issue("upstream", here),
  authority.issue("upstream", { ...here, notAfter: new Date(Date.now() - 1000) }),
  authority.issue("upstream", { names: [{ type: "dns", value: "other.example" }] }),
]);
const upstreams = [
  { name: "trusted.example", url: await behindTls(good), ca },
  { name: "untrusted.example", url: await behindTls(good) },
  { name: "expired.example", url: await behindTls(expired), ca },
  { name: "other.example", url: await behindTls(other), ca },
  { name: "refused.example", url: `http://127.0.0.1:${await freePort()}` },
  { name: "unknown.example", url: "http://unknown.invalid" },
];
const { client } = await serve(cacheOf(upstream, { upstreams, default: "trusted.example", timeout: "3s" }));

test("an upstream with a certificate of a trusted CA is used", async () => {
  const name = newName("app");
  const made = image();
  upstream.add(name, made, "1");
  assert.equal((await client.get(`/v2/trusted.example/${name}/manifests/1`)).status, 200);
});

const reasons: Readonly<Record<string, RegExp>> = {
  "untrusted.example": /certificate|self.signed|issuer/i,
  "expired.example": /expired/,
  "other.example": /altnames|does not match/i,
  "refused.example": /ECONNREFUSED/,
  "unknown.example": /ENOTFOUND|EAI_AGAIN/,
};

for (const [host, reason] of Object.entries(reasons)) {
  test(`${host}: 502 with the name of the upstream and the reason`, async () => {
    upstream.take();
    const { status, body } = await client.get(`/v2/${host}/${newName("app")}/manifests/1`);
    assert.ok([502, 504].includes(status), String(status));
    assert.match(body.toString(), new RegExp(`the upstream ${host}`));
    assert.match(body.toString(), reason);
    assert.deepEqual(upstream.take(), []);
  });
}

test("a cached tag is served as it was, whatever keeps the upstream from being reached", async () => {
  const root = await mkdtemp(join(tmpdir(), "gantry-stale-"));
  after(() => rm(root, { recursive: true, force: true }));
  const name = newName("app");
  const made = image();
  upstream.add(name, made, "1");
  const path = `/v2/trusted.example/${name}/manifests/1`;
  const start = (one: object) =>
    startInside(
      cacheOf(upstream, { upstreams: [{ ...one, name: "trusted.example" }], default: undefined }),
      root,
    );
  const [trusted, ...broken] = upstreams;
  assert.ok(trusted !== undefined);
  {
    await using server = await start(trusted);
    assert.equal((await new Client(server.url).get(path)).status, 200);
  }
  for (const one of broken) {
    await using server = await start(one);
    const answer = await new Client(server.url).get(path);
    assert.equal(answer.headers["docker-content-digest"], made.digest, one.name);
    assert.match(String(answer.headers["cache-status"]), /detail=stale/, one.name);
  }
});

test("gantry config check says whose certificate is trusted, and why another one is not", async () => {
  const root = await mkdtemp(join(tmpdir(), "gantry-check-"));
  after(() => rm(root, { recursive: true, force: true }));
  const checked = cacheOf(upstream, { upstreams, default: "trusted.example" });
  const { code, stdout } = await gantry(root, ["config", "check"], checked);
  assert.equal(code, 0, "a server can start");
  assert.match(stdout, /^ok: proxy: reach trusted\.example: https:.* answers, with a trusted certificate$/m);
  for (const [host, reason] of Object.entries(reasons)) {
    const line = stdout.split("\n").find((one) => one.startsWith(`WARNING: proxy: reach ${host}: `));
    assert.match(line ?? "", reason);
  }
});

test("a file of the settings that does not exist stops the start, with its path", async () => {
  const missing = [{ name: "trusted.example", url: upstream.url, ca: "/no/such/ca.pem" }];
  await assert.rejects(
    startInside(cacheOf(upstream, { upstreams: missing, default: "trusted.example" })),
    /\/no\/such\/ca\.pem/,
  );
});
