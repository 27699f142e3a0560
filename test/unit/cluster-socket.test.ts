// The cluster of several processes of one server keeps what the port promises, between the first process and another one, and
// between two others.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ReadThroughCache } from "../../src/cache/read-through.js";
import type { TagsKey } from "../../src/cluster/cluster.js";
import type { FollowBounds } from "../../src/cluster/socket/followed-tags.js";
import { Hub } from "../../src/cluster/socket/hub.js";
import { hubCluster, joinCluster, newNodeName, type SocketCluster } from "../../src/cluster/socket/open.js";
import { LinkedPeer } from "../../src/cluster/socket/peer.js";
import { parseDigest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { clockOf, SharedState } from "../../src/storage/filesystem/journal/shared.js";
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

/** Lets nothing else run in this process. */
function block(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

async function openProcesses(
  { leaseSeconds }: ClusterOptions,
  others: number,
  crashes = false,
  follow?: FollowBounds,
) {
  const onError = (error: unknown) => console.error(error);
  const hub = new Hub(onError);
  const options = { leaseSeconds, onError, follow };
  const first = hubCluster(hub, hub.own(newNodeName()), options);
  const joined: SocketCluster[] = [];
  const streams: Duplex[] = [];
  for (let count = 0; count < others; count++) {
    const [hubSide, nodeSide] = await socketPair();
    const name = newNodeName();
    hub.connect(name, hubSide, () => !crashes);
    streams.push(nodeSide);
    joined.push(await joinCluster(new LinkedPeer(name, nodeSide, { onClosed: () => {}, onError }), options));
  }
  return {
    first,
    joined,
    /** Messages of the first process. */
    sent: () => hub.sent,
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

  test("has used numbers that nobody knows: those of the next holder of its locks are higher", async () => {
    const { first, second, third, endSecond, close } = await three(true);
    const states = [first, second, third].map(({ peer }) => {
      const state = new SharedState();
      peer.clocks.clock = clockOf(state);
      return state;
    });
    const [ofFirst, ofSecond, ofThird] = states;
    assert.ok(ofFirst !== undefined && ofSecond !== undefined && ofThird !== undefined);
    await second.changes.publish({ kind: "blobs-healed" });
    const begun = new Promise<void>((resolve) => {
      void second.repositoryLocks
        .exclusive(name, () => {
          for (let records = 0; records < 10; records++) ofSecond.next("sequence");
          resolve();
          return never();
        })
        .catch(() => {});
    });
    await begun;
    const next = third.repositoryLocks.exclusive(name, async () => ofThird.next("sequence") + 1);
    endSecond();
    assert.ok((await next) > ofSecond.get("sequence"));
    assert.ok(ofFirst.get("sequence") > ofSecond.get("sequence"));
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
    await third.hints.get("a question after that for the work");
    await turn();
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

  test("ends its removals at the others, also those that their listeners do not know yet", async () => {
    const { first, second, third, endSecond, close } = await three(false);
    let work = () => {};
    let hasHeard = false;
    third.changes.subscribe(() => {
      hasHeard = true;
      return new Promise<void>((resolve) => {
        work = resolve;
      });
    });
    void second.leases.condemn(name, digest, never).catch(() => {});
    await until("it is condemned", () => hasHeard);
    endSecond();
    await until(
      "the end is known",
      async () => (await first.uploads.owner(second.uploads.newId())) === undefined,
    );
    await third.hints.get("a message after that of the end");
    work();
    assert.equal(await third.leases.during(`${name}@${digest}`, () => 1), 1);
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

  test("leaves to the others until when everything counts as leased, if it has dropped leases", async () => {
    const { first, second, third, endSecond, close } = await three(false);
    second.pause();
    await second.handOver(first.peer.name);
    endSecond();
    assert.ok((await third.leases.leased(name, [digest])).has(digest));
    await close();
  });

  test("leaves to one that joins later what others hold, and until when the collection pauses", async () => {
    const onError = (error: unknown) => assert.fail(String(error));
    const hub = new Hub(onError);
    const options = { leaseSeconds: 60, onError };
    const first = hubCluster(hub, hub.own(newNodeName()), options);
    let release: () => void = () => {};
    const held = first.repositoryLocks.exclusive(
      name,
      () => new Promise<void>((resolve) => (release = resolve)),
    );
    await hub.lose(newNodeName());
    await first.leases.withNotes(name, async (noted) => {
      const [hubSide, nodeSide] = await socketPair();
      const other = newNodeName();
      hub.connect(other, hubSide, () => true);
      const late = await joinCluster(
        new LinkedPeer(other, nodeSide, { onClosed: () => {}, onError }),
        options,
      );
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

test("a lock that is released as soon as a process has joined is free there", async () => {
  const name = parseRepositoryName("library/debian");
  const digest = parseDigest(`sha256:${"a".repeat(64)}`);
  const onError = (error: unknown) => assert.fail(String(error));
  const hub = new Hub(onError);
  const options = { leaseSeconds: 60, onError };
  const first = hubCluster(hub, hub.own(newNodeName()), options);
  const [hubSide, nodeSide] = await socketPair();
  const other = newNodeName();
  let release: () => void = () => {};
  const held = first.repositoryLocks.exclusive(
    name,
    () => new Promise<void>((resolve) => (release = resolve)),
  );
  await turn();
  // What the hub sends meanwhile arrives at once.
  hubSide.cork();
  hub.connect(other, hubSide, () => true);
  const joining = joinCluster(new LinkedPeer(other, nodeSide, { onClosed: () => {}, onError }), options);
  await until("the hub has answered", () => hubSide.writableLength > 0);
  const before = hubSide.writableLength;
  release();
  await held;
  await until("the hub has released it", () => hubSide.writableLength > before);
  hubSide.uncork();
  const late = await joining;
  assert.equal(await late.leases.during(`${name}@${digest}`, () => 1), 1);
  assert.equal(await late.repositoryLocks.shared(name, async () => 1), 1);
  nodeSide.destroy();
});

describe("changes of tags", () => {
  const name = parseRepositoryName("library/debian");
  const tag = parseTag("latest");
  const key = `${name}:${tag}` as const;

  function heardBy(cluster: SocketCluster): string[] {
    const heard: string[] = [];
    cluster.changes.subscribe(({ kind }) => {
      heard.push(kind);
      return undefined;
    });
    return heard;
  }

  async function follows(cluster: SocketCluster, of: TagsKey): Promise<void> {
    cluster.changes.follow(of);
    assert.ok(!cluster.changes.knowsTags(of), "the hub does not know yet");
    await until("it receives them", () => cluster.changes.knowsTags(of));
  }

  test("reach the processes that follow the tag, its repository or all; others cost no message", async () => {
    const { first, joined, sent, close } = await openProcesses({ leaseSeconds: 60 }, 4);
    const [ofTag, ofRepository, ofAll, ofNone] = joined;
    assert.ok(ofTag && ofRepository && ofAll && ofNone);
    await follows(ofTag, key);
    await follows(ofRepository, name);
    await ofAll.changes.followAll();
    const heard = joined.map(heardBy);
    const before = sent();
    await first.changes.publish({ kind: "tag-pointed", name, tag });
    await first.changes.publish({ kind: "tag-removed", name, tag: parseTag("other") });
    await first.changes.publish({ kind: "pushed-untagged", name });
    assert.deepEqual(heard, [
      ["tag-pointed"],
      ["tag-pointed", "tag-removed"],
      ["tag-pointed", "tag-removed", "pushed-untagged"],
      [],
    ]);
    assert.equal(sent() - before, 6);
    await first.changes.publish({ kind: "blobs-healed" });
    assert.deepEqual(
      heard.map((kinds) => kinds.at(-1)),
      heard.map(() => "blobs-healed"),
    );
    await close();
  });

  test("of more tags than a process may follow make it begin anew, and forget what it has cached", async () => {
    const bounds = { tagsMax: 2, allMilliseconds: 60_000 };
    const { first, joined, sent, close } = await openProcesses({ leaseSeconds: 60 }, 1, false, bounds);
    const [second] = joined;
    assert.ok(second !== undefined);
    const heard = heardBy(second);
    await follows(second, key);
    await follows(second, name);
    await follows(second, `${name}:${parseTag("third")}`);
    assert.deepEqual(heard, ["lost"]);
    assert.ok(!second.changes.knowsTags(key) && !second.changes.knowsTags(name));
    const before = sent();
    await first.changes.publish({ kind: "tag-pointed", name, tag });
    assert.equal(sent() - before, 0);
    await close();
  });

  test("of all are received for some time after the last page", async () => {
    const bounds = { tagsMax: 2, allMilliseconds: 20 };
    const { first, joined, close } = await openProcesses({ leaseSeconds: 60 }, 1, false, bounds);
    for (const cluster of [first, ...joined]) {
      const heard = heardBy(cluster);
      assert.ok(!cluster.changes.knows("tags"));
      const asked = cluster.changes.followAll();
      // The time ends before the hub has answered.
      block(2 * bounds.allMilliseconds);
      await asked;
      assert.ok(cluster.changes.knows("tags") && cluster.changes.knowsTags(key));
      await until("nobody looks at a page", () => !cluster.changes.knows("tags"));
      assert.deepEqual(heard, ["lost"]);
    }
    await close();
  });

  /** One process's cache of tags, over a storage that all share. */
  class Reader {
    readonly cache: ReadThroughCache<TagsKey, number>;

    constructor(
      readonly cluster: SocketCluster,
      readonly store: Store,
    ) {
      const { changes } = cluster;
      this.cache = new ReadThroughCache(
        { max: 10 },
        (of) => changes.knowsTags(of),
        (of) => changes.follow(of),
      );
      changes.subscribe((change) => {
        if (change.kind === "tag-pointed") this.cache.delete(`${change.name}:${change.tag}`);
        if (change.kind === "lost") this.cache.clear();
        return undefined;
      });
    }

    async push(of: (typeof tags)[number]): Promise<void> {
      this.cache.beginWrite(`${name}:${of}`);
      const value = await this.cluster.targetLocks.exclusive(`${name}:${of}`, () => this.store.write(of));
      const isLast = this.cache.endWrite(`${name}:${of}`);
      const told = this.cluster.changes.publish({ kind: "tag-pointed", name, tag: of });
      if (isLast) this.cache.set(`${name}:${of}`, value);
      await told;
      this.store.acknowledged.set(of, Math.max(value, this.store.acknowledged.get(of) ?? 0));
    }

    async read(of: (typeof tags)[number]): Promise<void> {
      const acknowledged = this.store.acknowledged.get(of) ?? 0;
      const found = this.cache.get(`${name}:${of}`) ?? (await this.#load(of));
      assert.ok(found >= acknowledged, `read ${found} after ${acknowledged} was acknowledged`);
    }

    async #load(of: (typeof tags)[number]): Promise<number> {
      return (await this.cache.load(`${name}:${of}`, () => this.store.read(of))) ?? 0;
    }
  }

  test("of tags that do not exist are not followed, and displace none that is", async () => {
    const bounds = { tagsMax: 2, allMilliseconds: 60_000 };
    const { first, joined, sent, close } = await openProcesses({ leaseSeconds: 60 }, 1, false, bounds);
    const [second] = joined;
    assert.ok(second !== undefined);
    const store = new Store();
    const reader = new Reader(second, store);
    await new Reader(first, store).push(parseTag("1"));
    await until("it follows the tag", async () => {
      await reader.read(parseTag("1"));
      return second.changes.knowsTags(`${name}:${parseTag("1")}`);
    });
    const before = sent();
    for (let count = 0; count < 10; count++) await reader.read(parseTag(`absent-${count}`));
    await second.hints.get("a message after those that would follow them");
    assert.ok(second.changes.knowsTags(`${name}:${parseTag("1")}`));
    assert.equal(sent() - before, 1);
    await close();
  });

  const tags = ["1", "2", "3"].map(parseTag);

  /** Each operation takes some turns. */
  class Store {
    readonly acknowledged = new Map<string, number>();
    readonly #values = new Map<string, number>();

    async write(of: string): Promise<number> {
      await someTurns();
      const value = (this.#values.get(of) ?? 0) + 1;
      this.#values.set(of, value);
      await someTurns();
      return value;
    }

    async read(of: string): Promise<number | undefined> {
      await someTurns();
      const value = this.#values.get(of);
      await someTurns();
      return value;
    }
  }

  async function someTurns(): Promise<void> {
    for (let count = Math.floor(Math.random() * 4); count > 0; count--) await turn();
  }

  test("leave no process with an old value once they are published, whoever reads and follows meanwhile", async () => {
    const bounds = { tagsMax: 2, allMilliseconds: 5 };
    const { first, joined, close } = await openProcesses({ leaseSeconds: 60 }, 2, false, bounds);
    const store = new Store();
    const readers = [first, ...joined].map((cluster) => new Reader(cluster, store));
    let hits = 0;
    await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const reader = readers[index % readers.length];
        for (let step = 0; step < 150; step++) {
          const of = tags[Math.floor(Math.random() ** 2 * tags.length)];
          assert.ok(reader !== undefined && of !== undefined);
          const chance = Math.random();
          if (chance < 0.15) await reader.push(of);
          else if (chance < 0.16) await reader.cluster.changes.followAll();
          else await reader.read(of);
          if (chance > 0.9) await someTurns();
        }
      }),
    );
    for (const { cache } of readers) hits += cache.lookups.hits;
    assert.ok(hits > 100, `${hits} answers came from memory`);
    await close();
  });
});
