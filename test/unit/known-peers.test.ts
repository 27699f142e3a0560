// Connections are recognised by the port of their client. Never is one taken for another: a model opens, uses and closes
// connections from few addresses and ports in every order.

import type { HttpResponse } from "uWebSockets.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KnownPeers } from "../../src/http/known-peers.js";
import { directPeer } from "../../src/http/peer.js";

/** A connection as uWebSockets.js shows it. Counts how often its address was read. */
class Connection {
  reads = 0;

  constructor(
    readonly host: number,
    readonly port: number,
  ) {}

  get address(): string {
    return `10.0.0.${this.host}`;
  }

  getRemotePort(): number {
    return this.port;
  }

  getRemoteAddress(): ArrayBuffer {
    this.reads++;
    return Uint8Array.of(10, 0, 0, this.host).buffer;
  }

  get response(): HttpResponse {
    return this as unknown as HttpResponse;
  }
}

/** What uWebSockets.js gives to the filter when a connection has closed. */
const closed = { getRemotePort: () => 2 ** 32 - 1, getRemoteAddress: () => new ArrayBuffer(0) };

function open(peers: KnownPeers, host: number, port: number): Connection {
  const connection = new Connection(host, port);
  peers.filter(connection.response, 1);
  return connection;
}

function close(peers: KnownPeers): void {
  peers.filter(closed as unknown as HttpResponse, -1);
}

function addressOf(peers: KnownPeers, connection: Connection): string | undefined {
  return peers.of(connection.response)?.address;
}

test("an address is read once for all requests on its connection", () => {
  const peers = new KnownPeers(directPeer);
  const connections = Array.from({ length: 100 }, (_, index) => open(peers, index % 7, 40_000 + index));
  for (const connection of connections)
    for (let request = 0; request < 3; request++)
      assert.equal(addressOf(peers, connection), connection.address);
  for (const { reads } of connections) assert.equal(reads, 1);
});

test("no connection is taken for another one with the same port", () => {
  const steps = fc.array(
    fc.record({
      what: fc.constantFrom("open", "open", "close", "request", "request"),
      host: fc.integer({ min: 1, max: 3 }),
      port: fc.integer({ min: 1, max: 3 }),
    }),
    { maxLength: 100 },
  );
  fc.assert(
    fc.property(steps, (taken) => {
      const peers = new KnownPeers(directPeer);
      const connections: Connection[] = [];
      for (const { what, host, port } of taken) {
        const index = connections.findIndex((one) => one.host === host && one.port === port);
        if (what === "open" && index === -1) connections.push(open(peers, host, port));
        else if (what === "close" && index !== -1) {
          connections.splice(index, 1);
          close(peers);
        }
        for (const connection of connections) assert.equal(addressOf(peers, connection), connection.address);
      }
    }),
    { numRuns: 500 },
  );
});

test("a port that two addresses have used is recognised again after all connections have closed", () => {
  const peers = new KnownPeers(directPeer);
  open(peers, 1, 5000);
  close(peers);
  open(peers, 1, 5000);
  const second = open(peers, 2, 5000);
  addressOf(peers, second);
  assert.equal(second.reads, 2, "read at each request");
  close(peers);
  close(peers);
  const third = open(peers, 3, 5000);
  assert.equal(addressOf(peers, third), "10.0.0.3");
  assert.equal(third.reads, 1);
});

test("connections that are not recognised are counted until all have closed", () => {
  let reported = 0;
  const peers = new KnownPeers(directPeer, () => reported++);
  assert.ok(peers.isEmpty);
  for (const host of [1, 1, 2, 1, 3]) open(peers, host, 5000);
  assert.equal(peers.unrecognised, 3, "from the second address on");
  assert.equal(reported, 3);
  assert.ok(!peers.isEmpty);
  for (let count = 0; count < 5; count++) close(peers);
  assert.ok(peers.isEmpty);
  assert.equal(peers.unrecognised, 0);
});

test("a connection without a port is looked up at each request", () => {
  const peers = new KnownPeers(() => ({ address: "from the lookup", secure: false, certified: undefined }));
  const connection = open(peers, 1, 2 ** 32 - 1);
  assert.equal(addressOf(peers, connection), "from the lookup");
});

test("the memory for ports is bounded, and those beyond it are looked up", () => {
  const peers = new KnownPeers(directPeer);
  const connections = Array.from({ length: 20_000 }, (_, port) => open(peers, 1, port + 1));
  for (const connection of connections) assert.equal(addressOf(peers, connection), connection.address);
  const known = connections.filter(({ reads }) => reads === 1).length;
  assert.ok(known > 10_000 && known < 20_000, `${known} are recognised`);
});
