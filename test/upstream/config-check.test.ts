// What `gantry config check` says about the upstream registries of the settings.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gantry } from "../support/command.js";
import { freePort } from "../support/free-port.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const root = await mkdtemp(join(tmpdir(), "gantry-check-"));
after(() => rm(root, { recursive: true, force: true }));

/** Requires a login by this password, and tells a rate limit of Docker Hub's form. */
upstream.misbehave = ({ path, headers }, response) => {
  response.setHeader("ratelimit-limit", "200;w=21600");
  response.setHeader("ratelimit-remaining", path.includes("ratelimitpreview/test") ? "180;w=21600" : "1");
  const basic = `Basic ${Buffer.from("operator:right").toString("base64")}`;
  if (headers.authorization === basic) return false;
  response.writeHead(401, { "WWW-Authenticate": 'Basic realm="test"' }).end();
  return true;
};

async function check(...upstreams: readonly Record<string, unknown>[]) {
  const settings = cacheOf(upstream, { upstreams, default: undefined });
  const { code, stdout } = await gantry(root, ["config", "check"], settings);
  return { code, lines: stdout.split("\n").filter((line) => line.includes(": proxy: ")) };
}

const login = { url: upstream.url, username: "operator" };

test("an upstream that can be used has a line for its answer, the login and the rate limit", async () => {
  upstream.take();
  const { code, lines } = await check({ name: "docker.io", ...login, password: "right" });
  assert.equal(code, 0);
  assert.deepEqual(lines, [
    `ok: proxy: reach docker.io: ${upstream.url} answers, without TLS`,
    "ok: proxy: log in to docker.io: the credentials of operator are accepted",
    "ok: proxy: rate limit of docker.io: 180 of 200 requests are left",
  ]);
  assert.ok(!upstream.take().some((one) => one.startsWith("GET") && one.includes("manifests")), "only HEAD");
});

test("refused credentials and an upstream that cannot be reached are warnings: a server can start", async () => {
  const { code, lines } = await check(
    { name: "quay.io", ...login, password: "wrong" },
    { name: "gone.example", url: `https://127.0.0.1:${await freePort()}` },
  );
  assert.equal(code, 0);
  assert.equal(lines[0], `ok: proxy: reach quay.io: ${upstream.url} answers, without TLS`);
  assert.equal(
    lines[1],
    "WARNING: proxy: log in to quay.io: the credentials of operator are refused; check username and password",
  );
  assert.match(lines[3] ?? "", /^WARNING: proxy: reach gone\.example: https:.*ECONNREFUSED/);
  assert.equal(lines.length, 4);
});

test("a file that cannot be read is an error: a server cannot start", async () => {
  const { code, lines } = await check({ name: "quay.io", url: upstream.url, ca: "/no/such/ca.pem" });
  assert.equal(code, 2);
  assert.match(lines[0] ?? "", /^FAILED: proxy: settings of quay\.io: .*\/no\/such\/ca\.pem/);
});

test("a server that is no registry is a warning", async () => {
  const usual = upstream.misbehave;
  upstream.misbehave = (_, response) =>
    !!response.writeHead(404, { "Content-Type": "text/html" }).end("<p>no");
  const { code, lines } = await check({ name: "quay.io", url: upstream.url });
  upstream.misbehave = usual;
  assert.equal(code, 0);
  assert.deepEqual(lines, [
    `WARNING: proxy: reach quay.io: ${upstream.url} answers 404 to /v2/, so it may be no registry; check the url`,
  ]);
});

test("a file without a password or without a certificate is an error", async () => {
  const empty = join(root, "empty");
  await writeFile(empty, "\n");
  const quay = { name: "quay.io", url: upstream.url };
  const password = await check({ ...quay, username: "operator", passwordfile: empty });
  assert.deepEqual(password, {
    code: 2,
    lines: [`FAILED: proxy: settings of quay.io: ${empty} has no password`],
  });
  const ca = await check({ ...quay, ca: empty });
  assert.deepEqual(ca.lines, [`FAILED: proxy: settings of quay.io: ${empty} has no certificate in PEM form`]);
});

test("with --offline, no request leaves", async () => {
  upstream.take();
  const settings = cacheOf(upstream);
  assert.equal((await gantry(root, ["config", "check", "--offline"], settings)).code, 0);
  const offline = await gantry(root, ["config", "check"], cacheOf(upstream, { offline: true }));
  assert.equal(offline.code, 0);
  assert.match(offline.stdout, /^ok: proxy: offline: no upstream is asked/m);
  assert.deepEqual(upstream.take(), []);
});

test("a platform that no image names is refused with the name that images have", async () => {
  const settings = cacheOf(upstream, {
    upstreams: [{ name: "docker.io", url: upstream.url, platforms: ["linux/amd64", "linux/aarch64"] }],
  });
  const { code, stdout, stderr } = await gantry(root, ["config", "check", "--offline"], settings);
  assert.equal(code, 2);
  assert.match(stdout + stderr, /platforms.*images name this platform linux\/arm64/);
});
