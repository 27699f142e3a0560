// HTTPS: it behaves like plain HTTP, certificates reload, and nothing below HTTP lets a client in or impersonate another.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, readdir, readFile, rmdir, stat } from "node:fs/promises";
import { connect as connectPlain } from "node:net";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { Client } from "../support/client.js";
import { blobOf, image, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { RawConnection } from "../support/raw.js";
import { eventually } from "../support/store.js";
import { serveTls } from "../support/tls.js";

const { gantry, authority, files, client } = await serveTls(startGantry);
const strict = await startGantry({ ...files.settings, REGISTRY_HTTP_TLS_MINIMUMTLS: "tls1.3" });
after(() => strict.stop());
const registry = client();
const trusting = { ca: authority.pem };
const ask = ["GET /v2/ HTTP/1.1", "Host: x"];

/** The start of a PROXY header of version 2 for TCP over IPv6, with which a connection identifies itself. */
const proxyHead = Buffer.from("0d0a0d0a000d0a515549540a21210024", "hex");

test("a blob of many records and an image are returned as pushed", async () => {
  const blob = blobOf(40_000_000);
  const name = newName();
  await registry.pushBlobs(name, blob);
  assert.ok((await registry.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
  const made = image({ layers: 2 });
  await registry.pushImage(name, made, "latest");
  assert.ok((await registry.get(`/v2/${name}/manifests/latest`)).body.equals(made.bytes));
});

describe("anything on the port that is not HTTPS", { concurrency: true }, () => {
  test("plain HTTP gets an error that says so", async () => {
    using connection = await RawConnection.open(gantry.url);
    connection.send(ask);
    const { status, body } = await connection.answer();
    assert.equal(status, 400);
    assert.match(body, /HTTPS/);
    await connection.ended();
  });

  const garbage: readonly [name: string, bytes: Uint8Array][] = [
    ["random bytes", blobOf(5000).bytes],
    ["a TLS record of another kind", Buffer.from("1703030010", "hex")],
    ["a hello with a wrong length", Buffer.from("16030100050100ffffff", "hex")],
    ["a PROXY header", Buffer.concat([proxyHead, Buffer.alloc(36)])],
  ];
  for (const [name, bytes] of garbage) {
    test(`${name}: the connection closes, and the server continues`, async () => {
      using connection = await RawConnection.open(gantry.url);
      connection.write(bytes);
      await connection.ended();
      assert.equal((await registry.get("/v2/")).status, 200);
    });
  }

  test("a silent client is dropped, before its handshake and after it", async () => {
    using silent = await RawConnection.open(gantry.url);
    using shaken = await RawConnection.open(gantry.url, trusting);
    await Promise.all([silent.ended(), shaken.ended()]);
  });
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

describe("versions of TLS", () => {
  const cases = [
    { server: gantry, name: "by default", client: "TLSv1.1", works: false },
    { server: gantry, name: "by default", client: "TLSv1.2", works: true },
    { server: gantry, name: "by default", client: "TLSv1.3", works: true },
    { server: strict, name: "with 1.3 as the minimum", client: "TLSv1.2", works: false },
    { server: strict, name: "with 1.3 as the minimum", client: "TLSv1.3", works: true },
  ] as const;
  for (const { server, name, client: version, works } of cases) {
    test(`${version} is ${works ? "spoken" : "refused"} ${name}`, async () => {
      // OpenSSL's default security level forbids the old versions to clients.
      const only = { minVersion: version, maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" } as const;
      const opened = RawConnection.open(server.url, { ...trusting, ...only });
      if (!works) return assert.rejects(opened, /protocol version|unsupported protocol|no protocols/i);
      using connection = await opened;
      assert.equal((connection.socket as TLSSocket).getProtocol(), version);
      connection.send(ask);
      assert.equal((await connection.answer()).status, 200);
    });
  }

  test("HTTP/1.1 is negotiated if the client offers more", async () => {
    using connection = await RawConnection.open(gantry.url, {
      ...trusting,
      ALPNProtocols: ["h2", "http/1.1"],
    });
    assert.equal((connection.socket as TLSSocket).alpnProtocol, "http/1.1");
  });
});

describe("requests in pieces", () => {
  test("a first line that arrives byte by byte is accepted", async () => {
    using connection = await RawConnection.open(gantry.url, trusting);
    for (const byte of `${ask.join("\r\n")}\r\n\r\n`) connection.write(byte);
    assert.equal((await connection.answer()).status, 200);
  });
});

describe("the connection's own identification", () => {
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
});

test("on SIGTERM, running pushes and pulls finish, and no new client is accepted", async () => {
  const stopping = await startGantry(files.settings);
  const pushed = blobOf(6_000_000);
  const pulled = blobOf(8_000_000);
  const name = newName();
  await new Client(stopping.url, 1, trusting).pushBlobs(name, pulled);
  using push = await RawConnection.open(stopping.url, trusting);
  const target = `/v2/${name}/blobs/uploads/?digest=${pushed.digest}`;
  const half = pushed.bytes.length / 2;
  push.send(
    [`POST ${target} HTTP/1.1`, "Host: x", `Content-Length: ${pushed.bytes.length}`],
    pushed.bytes.subarray(0, half),
  );
  using pull = await RawConnection.open(stopping.url, trusting);
  pull.send([`GET /v2/${name}/blobs/${pulled.digest} HTTP/1.1`, "Host: x"]);
  await pull.until(() => (pull.size > 0 ? true : undefined), "the answer's first bytes");
  const stopped = stopping.stop();
  const refused = () =>
    RawConnection.open(stopping.url, trusting).then(
      () => undefined,
      () => true,
    );
  await eventually("connections are refused", refused);
  push.write(pushed.bytes.subarray(half));
  assert.equal((await push.answer()).status, 201);
  const { body } = await pull.answer();
  assert.ok(Buffer.from(body, "latin1").equals(pulled.bytes));
  // Rejects unless the process ends with 0.
  await stopped;
  const left = (await readdir(files.folder)).filter((entry) => entry.startsWith("gantry-tls-"));
  assert.equal(left.length, 2, "the folders of running servers");
});

test("the next start removes the remains of a killed server, and nothing else", async () => {
  const folders = async () =>
    (await readdir(files.folder)).filter((entry) => entry.startsWith("gantry-tls-")).sort();
  const running = await folders();
  const killed = await startGantry(files.settings);
  await killed.kill();
  assert.equal((await folders()).length, running.length + 1);
  const starting = "gantry-tls-abcdef";
  await mkdir(join(files.folder, starting));
  const next = await startGantry(files.settings);
  const found = await folders();
  assert.equal(found.length, running.length + 2);
  for (const folder of [...running, starting]) assert.ok(found.includes(folder), folder);
  await registry.get("/v2/");
  await next.stop();
  await killed.stop();
  await rmdir(join(files.folder, starting));
  assert.deepEqual(await folders(), running);
});

test("readers that read nothing use little memory", async () => {
  const blob = blobOf(40_000_000);
  const name = newName();
  await registry.pushBlobs(name, blob);
  const { hostname: host, port } = new URL(gantry.url);
  const readers: TLSSocket[] = [];
  const add = async (count: number) => {
    const added = Array.from({ length: count }, () => {
      const socket = connect({ host, port: Number(port), ...trusting });
      socket.write(`GET /v2/${name}/blobs/${blob.digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
      return socket;
    });
    readers.push(...added);
    // Without a reader, later bytes stay where they are.
    await Promise.all(added.map((socket) => once(socket, "readable")));
    for (let request = 0; request < 200; request++) await registry.get("/v2/");
  };
  try {
    // The first readers cause memory shared by all: caches, lent buffers, the heap's size.
    await add(20);
    const before = await peakBytes(gantry.pid);
    await add(100);
    const grown = (await peakBytes(gantry.pid)) - before;
    assert.ok(grown < 100 * readerBytesMax, `${grown} bytes for 100 readers`);
  } finally {
    for (const socket of readers) socket.destroy();
  }
});

/** The memory of relay, OpenSSL and registry for one reader; all readers together request 4 GB. */
const readerBytesMax = 700_000;

/** The largest resident set that a process has had. */
async function peakBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
