// What only the TLS thread does: it answers plain HTTP, negotiates the protocol, bounds unfinished handshakes, and passes plain
// bytes through a socket that nobody else may use.

import assert from "node:assert/strict";
import { mkdir, readdir, rmdir, stat } from "node:fs/promises";
import { connect as connectPlain } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { startGantry } from "../support/gantry.js";
import { RawConnection } from "../support/raw.js";
import { eventually } from "../support/store.js";
import { proxyHead, serveTls } from "../support/tls.js";

/** With this minimum, a thread speaks TLS on every version of Node. */
const inThread = { REGISTRY_HTTP_TLS_MINIMUMTLS: "tls1.3" };
const { gantry, authority, files, client } = await serveTls(startGantry, inThread);
const settings = { ...files.settings, ...inThread };
const registry = client();
const trusting = { ca: authority.pem };
const ask = ["GET /v2/ HTTP/1.1", "Host: x"];

test("plain HTTP gets an error that says so", async () => {
  using connection = await RawConnection.open(gantry.url);
  connection.send(ask);
  const { status, body } = await connection.answer();
  assert.equal(status, 400);
  assert.match(body, /HTTPS/);
  await connection.ended();
});

test("HTTP/1.1 is negotiated if the client offers more", async () => {
  using connection = await RawConnection.open(gantry.url, {
    ...trusting,
    ALPNProtocols: ["h2", "http/1.1"],
  });
  assert.equal((connection.socket as TLSSocket).alpnProtocol, "http/1.1");
});

test("a flood of silent connections locks out no client", async () => {
  const { hostname: host, port } = new URL(gantry.url);
  const flood = Array.from({ length: 1500 }, () => {
    const socket = connectPlain({ host, port: Number(port) });
    return socket.on("error", () => {});
  });
  try {
    const dropped = () => (flood.filter(({ closed }) => closed).length >= 400 ? true : undefined);
    await eventually("the oldest make room", dropped);
    assert.equal((await client().get("/v2/")).status, 200);
  } finally {
    for (const socket of flood) socket.destroy();
  }
});

test("a client that claims to be another connection is cut off", async () => {
  for (const claim of [
    Buffer.alloc(36),
    Buffer.concat([Buffer.alloc(10), Buffer.from("ffff7f000001", "hex"), Buffer.alloc(20)]),
  ]) {
    using connection = await RawConnection.open(gantry.url, trusting);
    connection.send(ask);
    assert.equal((await connection.answer()).status, 200);
    connection.write(Buffer.concat([proxyHead, claim, Buffer.from(`${ask.join("\r\n")}\r\n\r\n`)]));
    await connection.ended();
    assert.equal(connection.received, "");
  }
});

test("only the server's user can open the registry's own socket", async () => {
  const folder = (await readdir(files.folder)).find((entry) => entry.startsWith("gantry-tls-"));
  assert.ok(folder !== undefined);
  const path = join(files.folder, folder, "registry.sock");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(path, ".."))).mode & 0o777, 0o700);
  const local = connectPlain({ path });
  local.on("error", () => {});
  local.write(`${ask.join("\r\n")}\r\n\r\n`);
  const chunks = await local.toArray();
  assert.equal(Buffer.concat(chunks).toString(), "", "an unannounced connection gets no response");
});

test("the next start removes the remains of a killed server, and nothing else", async () => {
  const folders = async () =>
    (await readdir(files.folder)).filter((entry) => entry.startsWith("gantry-tls-")).sort();
  const running = await folders();
  const killed = await startGantry(settings);
  await killed.kill();
  assert.equal((await folders()).length, running.length + 1);
  const starting = "gantry-tls-abcdef";
  await mkdir(join(files.folder, starting));
  const next = await startGantry(settings);
  const found = await folders();
  assert.equal(found.length, running.length + 2);
  for (const folder of [...running, starting]) assert.ok(found.includes(folder), folder);
  await registry.get("/v2/");
  await next.stop();
  await killed.stop();
  await rmdir(join(files.folder, starting));
  assert.deepEqual(await folders(), running);
});
