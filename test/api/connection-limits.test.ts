// Connections beyond the limits are closed at once, those of other clients are served, and a closed connection frees its
// place in any case. Over plain HTTP and HTTPS, which enforce this in different threads.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { startInside } from "../support/inside.js";
import { startMeasured, valuesOf } from "../support/metrics.js";
import { newAuthority, newCertificateFiles } from "../support/tls.js";

const perClient = 10;
const total = 25;
const proxy = "127.0.0.9";
const settings = {
  REGISTRY_LIMITS_CONNECTIONS_TOTAL: String(total),
  REGISTRY_LIMITS_CONNECTIONS_PERCLIENT: String(perClient),
  REGISTRY_HTTP_TRUSTEDPROXIES: `[${proxy}]`,
};

const authority = await newAuthority("a CA");
const files = await newCertificateFiles();
await files.replace(await authority.issue("server", { addresses: ["127.0.0.1"] }));

/** The server takes milliseconds to close refused connections. */
const refusedMilliseconds = 300;

const request = "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n";

for (const [kind, extra, secure] of [
  ["HTTP", {}, false],
  ["HTTPS", files.settings, true],
  ["HTTPS in the TLS thread", { ...files.settings, REGISTRY_HTTP_TLS_MINIMUMTLS: "tls1.3" }, true],
] as const)
  describe(`by ${kind}`, async () => {
    const { gantry, page } = await startMeasured(startInside, { ...settings, ...extra });
    after(() => gantry.stop());
    const { port } = new URL(gantry.url);

    async function open(localAddress: string): Promise<Socket> {
      const options = { host: "127.0.0.1", port: Number(port), localAddress };
      const socket = secure ? connectTls({ ...options, ca: authority.pem }) : connect(options);
      socket.on("error", () => {});
      socket.resume();
      const opened = once(socket, secure ? "secureConnect" : "connect").catch(() => {});
      await Promise.race([opened, once(socket, "close").catch(() => {})]);
      return socket;
    }

    async function openMany(count: number, localAddress: string): Promise<Socket[]> {
      return Promise.all(Array.from({ length: count }, () => open(localAddress)));
    }

    /** Connections that the server has not closed by then. */
    async function staying(sockets: readonly Socket[]): Promise<Socket[]> {
      await sleep(refusedMilliseconds);
      return sockets.filter((socket) => !socket.destroyed && !socket.readableEnded);
    }

    async function closeAll(sockets: readonly Socket[]): Promise<void> {
      for (const socket of sockets) socket.destroy();
      const isEmpty = async () => valuesOf(await (await page()).text()).get("gantry_connections") === 0;
      while (!(await isEmpty())) await sleep(20);
    }

    async function isServed(socket: Socket): Promise<boolean> {
      socket.write(request);
      const [answer] = (await Promise.race([once(socket, "data"), once(socket, "close")])) as [unknown];
      return String(answer).startsWith("HTTP/1.1 200 ");
    }

    test("one client does not lock out others", async () => {
      const greedy = await openMany(perClient + 5, "127.0.0.1");
      const kept = await staying(greedy);
      assert.equal(kept.length, perClient);
      const other = await open("127.0.0.2");
      assert.ok(await isServed(other));
      for (const socket of kept.slice(0, 3)) assert.ok(await isServed(socket));
      await closeAll([...greedy, other]);
    });

    test("places are free again after idle, silent and interrupted connections", async () => {
      for (let round = 0; round < 4; round++) {
        const sockets = await openMany(perClient, "127.0.0.3");
        assert.equal((await staying(sockets)).length, perClient, `round ${round}`);
        for (const socket of sockets.slice(0, 4)) assert.ok(await isServed(socket));
        for (const socket of sockets.slice(4, 7))
          socket.write("POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n");
        await closeAll(sockets);
      }
    });

    test("a client that closes some connections gets their places back while another holds its own", async () => {
      const held = await openMany(perClient, "127.0.0.5");
      const first = await openMany(perClient, "127.0.0.4");
      assert.equal((await staying(first)).length, perClient);
      for (const socket of first.slice(0, 6)) {
        assert.ok(await isServed(socket));
        socket.destroy();
      }
      await sleep(refusedMilliseconds);
      const later: Socket[] = [];
      // A recount may be pending.
      const deadline = performance.now() + 5000;
      while (later.length < 6 && performance.now() < deadline) {
        const [stayed] = await staying([await open("127.0.0.4")]);
        if (stayed !== undefined) later.push(stayed);
      }
      assert.equal(later.length, 6);
      await closeAll([...held, ...first, ...later]);
    });

    test("a trusted proxy has no limit of its own, but the total applies", async () => {
      const before = valuesOf(await (await page()).text());
      const sockets = await openMany(total + 5, proxy);
      const kept = await staying(sockets);
      assert.equal(kept.length, total);
      assert.equal((await staying([await open("127.0.0.2")])).length, 0);
      assert.ok(await isServed(kept[0] as Socket));
      await sleep(1000);
      const now = valuesOf(await (await page()).text());
      const name = 'gantry_connections_refused_total{limit="total"}';
      assert.equal((now.get(name) ?? 0) - (before.get(name) ?? 0), 6);
      assert.match(gantry.log(), /refusing connections: limits\.connections/);
      await closeAll(sockets);
    });

    test("the last eighth of the places is for clients with few connections", async () => {
      const held = (
        await Promise.all([openMany(9, "127.0.0.6"), openMany(9, "127.0.0.7"), openMany(4, "127.0.0.8")])
      ).flat();
      assert.equal((await staying(held)).length, 22);
      const [busy, other] = await Promise.all([open("127.0.0.6"), open("127.0.0.2")]);
      assert.deepEqual(await staying([busy, other]), [other]);
      assert.ok(await isServed(other));
      await closeAll([...held, busy, other]);
    });
  });
