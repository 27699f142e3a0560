/** HAProxy, as tests start it: requests spread over the nodes, and pass a node that is down. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Pool } from "undici";
import { needsHaproxy, startHaproxy } from "../support/haproxy.js";

async function node(name: string): Promise<Server> {
  const server = createServer((_, response) => response.end(name));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** A balancer that does not answer fails the test. */
const limits = { connections: 1, connectTimeout: 5_000, headersTimeout: 5_000, bodyTimeout: 5_000 };

const portOf = (server: Server) => (server.address() as AddressInfo).port;

test("requests of one connection reach every node, and pass one that is down", {
  skip: needsHaproxy,
}, async () => {
  const [one, two] = [await node("one"), await node("two")];
  await using balancer = await startHaproxy([portOf(one), portOf(two)]);
  const pool = new Pool(balancer.url, limits);
  try {
    assert.deepEqual(await namesFrom(pool), ["one", "two"]);
    end(one);
    assert.deepEqual(await namesFrom(pool), ["two"]);
    await balancer.kill();
    await assert.rejects(namesFrom(pool));
    await balancer.start();
    assert.deepEqual(await namesFrom(pool), ["two"]);
  } finally {
    await pool.destroy();
    end(one);
    end(two);
  }
});

/** The names, each once, of the nodes that answer forty requests. */
async function namesFrom(pool: Pool): Promise<string[]> {
  const names = new Set<string>();
  for (let sent = 0; sent < 40; sent++) {
    const { statusCode, body } = await pool.request({ method: "GET", path: "/" });
    const name = await body.text();
    names.add(statusCode === 200 ? name : String(statusCode));
  }
  return [...names].sort();
}

function end(server: Server): void {
  server.close();
  server.closeAllConnections();
}
