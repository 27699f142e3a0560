// HTTPS: it behaves like plain HTTP, and nothing below HTTP lets a client in or impersonate another. In the main thread, where
// this version of Node allows it, and in the TLS thread, which a higher minimum version demands.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect as connectPlain } from "node:net";
import { after, describe, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { Client } from "../support/client.js";
import { blobOf, image, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { RawConnection } from "../support/raw.js";
import { eventually } from "../support/store.js";
import { proxyHead, serveTls } from "../support/tls.js";

const { gantry: byDefault, authority, files } = await serveTls(startGantry);
const strictSettings = { ...files.settings, REGISTRY_HTTP_TLS_MINIMUMTLS: "tls1.3" };
const strict = await startGantry(strictSettings);
after(() => strict.stop());
const trusting = { ca: authority.pem };
const ask = ["GET /v2/ HTTP/1.1", "Host: x"];
const asked = `${ask.join("\r\n")}\r\n\r\n`;

for (const [name, gantry, settings] of [
  ["by default", byDefault, files.settings],
  ["in the TLS thread", strict, strictSettings],
] as const) {
  const isRelayed = gantry.log().includes("a separate thread terminates TLS");
  const registry = new Client(gantry.url, undefined, trusting);

  describe(name, () => {
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
      const garbage: readonly [name: string, bytes: Uint8Array][] = [
        ["plain HTTP", Buffer.from(asked)],
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

      test("a client is dropped that is silent before its handshake, within it and after it", async () => {
        using silent = await RawConnection.open(gantry.url);
        using half = await RawConnection.open(gantry.url);
        half.write(Buffer.from("16030100c8010000c40303", "hex"));
        using shaken = await RawConnection.open(gantry.url, trusting);
        await Promise.all([silent.ended(), half.ended(), shaken.ended()]);
      });
    });

    test("a client that offers other protocols gets HTTP/1.1", async () => {
      using connection = await RawConnection.open(gantry.url, {
        ...trusting,
        ALPNProtocols: ["h2", "http/1.1"],
      });
      assert.notEqual((connection.socket as TLSSocket).alpnProtocol, "h2");
      connection.send(ask);
      assert.equal((await connection.answer()).status, 200);
    });

    test("a first line that arrives byte by byte is accepted", async () => {
      using connection = await RawConnection.open(gantry.url, trusting);
      for (const byte of asked) connection.write(byte);
      assert.equal((await connection.answer()).status, 200);
    });

    test("a client cannot claim another address by a PROXY header", async () => {
      const claimed = "203.0.113.7";
      for (const claim of [
        Buffer.alloc(36),
        Buffer.concat([Buffer.alloc(10), Buffer.from("ffffcb007107", "hex"), Buffer.alloc(20)]),
      ]) {
        using connection = await RawConnection.open(gantry.url, trusting);
        connection.send(ask);
        assert.equal((await connection.answer()).status, 200);
        connection.write(Buffer.concat([proxyHead, claim, Buffer.from(asked)]));
        // The thread cuts it off; otherwise the header is ignored.
        if (isRelayed) await connection.ended();
        else assert.equal((await connection.answer()).status, 200);
      }
      const logged = gantry.log();
      assert.match(logged, /"address":"127\.0\.0\.1"/);
      assert.ok(!logged.includes(claimed));
    });

    test("silent connections do not lock out a client, and are closed", async () => {
      const { hostname: host, port } = new URL(gantry.url);
      const flood = Array.from({ length: 1500 }, () =>
        connectPlain({ host, port: Number(port) }).on("error", () => {}),
      );
      try {
        assert.equal((await new Client(gantry.url, 1, trusting).get("/v2/")).status, 200);
        const dropped = () => (flood.every(({ closed }) => closed) ? true : undefined);
        await eventually("all are closed", dropped, 25_000);
      } finally {
        for (const socket of flood) socket.destroy();
      }
    });

    test("on SIGTERM, running pushes and pulls finish, and no new client is accepted", async () => {
      const stopping = await startGantry(settings);
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
  });
}

describe("versions of TLS", () => {
  const cases = [
    { server: byDefault, name: "by default", client: "TLSv1.1", works: false },
    { server: byDefault, name: "by default", client: "TLSv1.2", works: true },
    { server: byDefault, name: "by default", client: "TLSv1.3", works: true },
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
});

/** The memory of relay, TLS and registry for one reader; all readers together request 4 GB. */
const readerBytesMax = 700_000;

/** The largest resident set that a process has had. */
async function peakBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
