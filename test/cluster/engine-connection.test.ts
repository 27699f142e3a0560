// The connections to an engine that ends them at any moment.

import assert from "node:assert/strict";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { Engine } from "../../src/cluster/valkey/engine.js";
import { until } from "../support/valkey-nodes.js";

const reconnections = 60;

/** The information that the client waits for before it uses a connection. */
const info = "redis_version:7.0.0\r\nloading:0\r\nrole:master\r\n";

/** Answers what a client asks at its start, and calls `onInfo` after the answer that makes a connection ready. */
async function startEngine(onInfo: (socket: Socket) => void) {
  let subscriptions = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
    socket.on("data", (bytes) => {
      const text = bytes.toString().toLowerCase();
      if (text.includes("subscribe")) {
        subscriptions++;
        socket.write("*3\r\n$9\r\nsubscribe\r\n$5\r\np:all\r\n:1\r\n");
      } else if (text.includes("info")) {
        socket.write(`$${info.length}\r\n${info}\r\n`);
        onInfo(socket);
      } else socket.write("+OK\r\n");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    get subscriptions() {
      return subscriptions;
    },
    stop: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}

test("a connection that ends while it is set up again is tried again, and then receives", async () => {
  let ended = 0;
  let isEnding = false;
  const fake = await startEngine((socket) => {
    if (!isEnding || ended >= reconnections) return;
    // The client writes to some of these before it has read that they have ended.
    if (ended++ % 2 === 0) socket.destroySoon();
    else socket.resetAndDestroy();
  });
  const options = {
    host: "127.0.0.1",
    port: fake.port,
    db: 0,
    connectMilliseconds: 1_000,
    commandMilliseconds: 500,
  };
  const engine = new Engine(options, "p:", () => {});
  await engine.connect(["all"], () => {});
  const before = fake.subscriptions;
  isEnding = true;
  for (const socket of fake.sockets) socket.destroy();
  await until("the connections have ended often", () => ended >= reconnections, 30_000);
  const during = fake.subscriptions;
  await until("it has subscribed again", () => fake.subscriptions > during);
  assert.ok(before >= 1);
  engine.close();
  await fake.stop();
});
