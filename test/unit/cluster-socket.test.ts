// The cluster of several processes of one server keeps what the port promises, between the first process and another one, and
// between two others.

import { mkdtemp, rm } from "node:fs/promises";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { Hub } from "../../src/cluster/socket/hub.js";
import { hubCluster, joinCluster, newNodeName, type SocketCluster } from "../../src/cluster/socket/open.js";
import { LinkedPeer } from "../../src/cluster/socket/peer.js";
import { type ClusterOptions, type SharedCluster, testCluster } from "../contract/cluster.js";

async function socketPair(): Promise<[Duplex, Duplex]> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-socket-"));
  const server = createServer();
  const path = join(folder, "hub");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const other = createConnection(path);
  const pair: [Duplex, Duplex] = [await accepted, other];
  server.close();
  await rm(folder, { recursive: true });
  return pair;
}

const messageMilliseconds = 20;

async function openProcesses({ leaseSeconds }: ClusterOptions, others: number) {
  const onError = (error: unknown) => console.error(error);
  const hub = new Hub(onError);
  const first = hubCluster(hub, hub.own(newNodeName()), { leaseSeconds });
  const joined: SocketCluster[] = [];
  const streams: Duplex[] = [];
  for (let count = 0; count < others; count++) {
    const [hubSide, nodeSide] = await socketPair();
    const name = newNodeName();
    hub.connect(name, hubSide, () => true);
    streams.push(nodeSide);
    joined.push(
      await joinCluster(new LinkedPeer(name, nodeSide, { onClosed: () => {}, onError }), { leaseSeconds }),
    );
  }
  return {
    first,
    joined,
    lose: () => hub.lose(newNodeName()),
    close: async () => {
      for (const stream of streams) stream.destroy();
    },
  };
}

async function firstAndAnother(options: ClusterOptions): Promise<SharedCluster> {
  const { first, joined, lose, close } = await openProcesses(options, 1);
  const [two] = joined;
  if (two === undefined) throw new Error("it has joined");
  return { one: first, two, lose, close };
}

async function twoOthers(options: ClusterOptions): Promise<SharedCluster> {
  const { joined, lose, close } = await openProcesses(options, 2);
  const [one, two] = joined;
  if (one === undefined || two === undefined) throw new Error("both have joined");
  return { one, two, lose, close };
}

testCluster("a socket, the first process and another", firstAndAnother, messageMilliseconds);
testCluster("a socket, two other processes", twoOthers, messageMilliseconds);
