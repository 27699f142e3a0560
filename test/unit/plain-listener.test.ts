// Where uWebSockets.js can pass connections on, new ones go to an app that recognises them: one app follows another when it has
// met too many ports from several addresses, and comes back once its connections have closed.

import uws from "uWebSockets.js";
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { KnownPeers } from "../../src/http/known-peers.js";
import { directPeer } from "../../src/http/peer.js";
import { PlainListener } from "../../src/http/plain-listener.js";
import { uwsBuild } from "../../src/http/uws-build.js";
import { eventually } from "../support/store.js";

const skip = !uwsBuild().passesConnections && "this build of uWebSockets.js cannot pass connections on";

interface Served {
  readonly peers: KnownPeers;
  requests: number;
}

/** Listens with apps that count requests and answer with the address of the client. */
async function listen(): Promise<{ listener: PlainListener; apps: Served[]; port: number }> {
  const apps: Served[] = [];
  const listener = new PlainListener((app, onUnrecognised) => {
    const served: Served = { peers: new KnownPeers(directPeer, onUnrecognised), requests: 0 };
    apps.push(served);
    app.filter((response, change) => served.peers.filter(response, Number(change)));
    app.get("/*", (response) => {
      served.requests++;
      response.end(served.peers.of(response)?.address ?? "");
    });
    return served.peers;
  });
  const port = await new Promise<number>((resolve) => {
    listener.acceptor.listen("127.0.0.1", 0, (socket) => {
      if (socket !== false) resolve(uws.us_socket_local_port(socket));
    });
  });
  return { listener, apps, port };
}

async function open(port: number, localAddress: string, localPort?: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, localAddress, localPort });
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

async function addressSeenOn(socket: Socket): Promise<string> {
  socket.write("GET / HTTP/1.1\r\nHost: registry\r\n\r\n");
  const [head] = await once(socket, "data");
  return String(head).split("\r\n\r\n").at(-1) ?? "";
}

test("an app that knows too many ports twice is followed by another, and comes back when empty", {
  skip,
}, async () => {
  const { listener, apps, port } = await listen();
  const sockets: Socket[] = [];
  try {
    const first = await open(port, "127.0.0.1");
    sockets.push(first);
    assert.equal(await addressSeenOn(first), "127.0.0.1");
    for (let pair = 0; pair < 256; pair++) {
      const one = await open(port, "127.0.0.1");
      sockets.push(one, await open(port, "127.0.0.2", one.localPort));
    }
    await eventually("another app", () => apps.length === 2 || undefined);
    const later = await open(port, "127.0.0.3");
    sockets.push(later);
    assert.equal(await addressSeenOn(later), "127.0.0.3");
    assert.equal(await addressSeenOn(first), "127.0.0.1", "earlier connections stay");
    assert.deepEqual(
      apps.map(({ requests }) => requests),
      [2, 1],
    );
    for (const [index, socket] of sockets.slice(1, 21).entries())
      assert.equal(await addressSeenOn(socket), index % 2 === 0 ? "127.0.0.1" : "127.0.0.2");
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  await eventually("the end of all connections", () => apps.every(({ peers }) => peers.isEmpty) || undefined);
  assert.ok(apps.every(({ peers }) => peers.unrecognised === 0));
  listener.close();
});
