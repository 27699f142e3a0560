// The cluster of several processes of one server keeps what the port promises, between the first process and another one, and
// between two others.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { describe, test } from "node:test";
import { setTimeout as pause, setImmediate as turn } from "node:timers/promises";
import { Hub } from "../../src/cluster/socket/hub.js";
import { hubCluster, joinCluster, newNodeName, type SocketCluster } from "../../src/cluster/socket/open.js";
import { LinkedPeer } from "../../src/cluster/socket/peer.js";
import { parseDigest } from "../../src/domain/digest.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { type ClusterOptions, type SharedCluster, testCluster } from "../contract/cluster.js";
import { until } from "../support/until.js";

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

async function openProcesses({ leaseSeconds }: ClusterOptions, others: number, crashes = false) {
  const onError = (error: unknown) => console.error(error);
  const hub = new Hub(onError);
  const first = hubCluster(hub, hub.own(newNodeName()), { leaseSeconds });
  const joined: SocketCluster[] = [];
  const streams: Duplex[] = [];
  for (let count = 0; count < others; count++) {
    const [hubSide, nodeSide] = await socketPair();
    const name = newNodeName();
    hub.connect(name, hubSide, () => !crashes);
    streams.push(nodeSide);
    joined.push(
      await joinCluster(new LinkedPeer(name, nodeSide, { onClosed: () => {}, onError }), { leaseSeconds }),
    );
  }
  return {
    first,
    joined,
    /** Closes the socket of one of the others. */
    end: (index: number) => void streams[index]?.destroy(),
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

describe("a process that ends", () => {
  const name = parseRepositoryName("library/debian");
  const digest = parseDigest(`sha256:${"a".repeat(64)}`);
  const never = () => new Promise<never>(() => {});

  async function three(crashes: boolean) {
    const { first, joined, end, close } = await openProcesses({ leaseSeconds: 60 }, 2, crashes);
    const [second, third] = joined;
    assert.ok(second !== undefined && third !== undefined);
    return { first, second, third, endSecond: () => end(0), close };
  }

  test("releases its locks, and those that it waits for", async () => {
    const { first, second, third, endSecond, close } = await three(true);
    let hasBegun = false;
    const begun = new Promise<void>((resolve) => {
      void second.repositoryLocks
        .exclusive(name, () => {
          resolve();
          return never();
        })
        .catch(() => {});
    });
    await begun;
    const shared = third.repositoryLocks.shared(name, async () => {
      hasBegun = true;
    });
    const exclusive = first.repositoryLocks.exclusive(name, async () => "held");
    await turn();
    assert.ok(!hasBegun);
    endSecond();
    assert.equal(await exclusive, "held");
    await shared;
    await close();
  });

  test("passes on work that runs once to a process that waits for it", async () => {
    const { second, third, endSecond, close } = await three(true);
    const begun = new Promise<void>((resolve) => {
      void second
        .once("work", () => {
          resolve();
          return never();
        })
        .catch(() => {});
    });
    await begun;
    let runs = 0;
    const waiting = third.once("work", async () => void runs++);
    await pause(messageMilliseconds);
    assert.equal(runs, 0);
    endSecond();
    await waiting;
    assert.equal(runs, 1);
    await close();
  });

  test("ends its removals at the others", async () => {
    const { second, third, endSecond, close } = await three(false);
    const begun = new Promise<void>((resolve) => {
      void second.leases
        .condemn(name, digest, () => {
          resolve();
          return never();
        })
        .catch(() => {});
    });
    await begun;
    const look = third.leases.during(`${name}@${digest}`, () => 1);
    await turn();
    endSecond();
    assert.equal(await look, 1);
    await close();
  });

  test("loses what it owned, so that another process recovers it", async () => {
    const { first, second, third, endSecond, close } = await three(true);
    const id = second.uploads.newId();
    second.uploads.own(id);
    second.uploads.onClaim(() => "keep");
    assert.deepEqual(await third.uploads.claim(id), { owner: second.peer.name });
    endSecond();
    await until("it is forgotten", async () => (await first.uploads.owner(id)) === undefined);
    assert.deepEqual(await third.uploads.claim(id), { owner: "here" });
    await close();
  });

  for (const crashes of [true, false]) {
    const what = crashes ? "a crash pauses" : "an orderly end does not pause";
    test(`${what} the collection, and ${crashes ? "empties" : "keeps"} the caches of the others`, async () => {
      const { first, second, third, endSecond, close } = await three(crashes);
      const heard: string[] = [];
      third.changes.subscribe(({ kind }) => {
        heard.push(kind);
        return undefined;
      });
      second.leases.grant(`${name}@${digest}`);
      if (!crashes) await second.handOver(first.peer.name);
      endSecond();
      await until("it is known", async () => {
        const held = await third.leases.leased(name, [digest]);
        return crashes ? heard.length > 0 : held.has(digest);
      });
      assert.deepEqual(heard, crashes ? ["lost"] : []);
      for (const node of [first, third]) {
        assert.equal((await node.leases.pausedUntil()) > Date.now(), crashes);
        assert.ok((await node.leases.leased(name, [digest])).has(digest), "its lease counts");
      }
      await close();
    });
  }

  test("leaves to one that joins later what others hold, and until when the collection pauses", async () => {
    const onError = (error: unknown) => assert.fail(String(error));
    const hub = new Hub(onError);
    const first = hubCluster(hub, hub.own(newNodeName()), { leaseSeconds: 60 });
    let release: () => void = () => {};
    const held = first.repositoryLocks.exclusive(
      name,
      () => new Promise<void>((resolve) => (release = resolve)),
    );
    await hub.lose(newNodeName());
    await first.leases.withJournal(name, async (noted) => {
      const [hubSide, nodeSide] = await socketPair();
      const other = newNodeName();
      hub.connect(other, hubSide, () => true);
      const late = await joinCluster(new LinkedPeer(other, nodeSide, { onClosed: () => {}, onError }), {
        leaseSeconds: 60,
      });
      let hasEntered = false;
      const shared = late.repositoryLocks.shared(name, async () => {
        hasEntered = true;
      });
      await late.leases.note(name, [digest]);
      assert.ok(noted.has(digest));
      assert.ok((await late.leases.pausedUntil()) > Date.now());
      assert.ok(!hasEntered);
      release();
      await Promise.all([held, shared]);
      nodeSide.destroy();
    });
  });
});
