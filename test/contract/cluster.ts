// The promises of every implementation of the cluster port (src/cluster/cluster.ts), seen from two nodes that share it.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as pause, setImmediate as turn } from "node:timers/promises";
import type {
  Change,
  ChangesLost,
  ClaimAnswer,
  Cluster,
  HandedOver,
  Origin,
  Reporter,
} from "../../src/cluster/cluster.js";
import { type Digest, parseDigest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName, type RepositoryName } from "../../src/domain/repository-name.js";
import type { RobotName } from "../../src/domain/robot.js";
import { newSessionId, type SessionId } from "../../src/domain/session-id.js";
import { newWebSessionId } from "../../src/domain/web-session-id.js";

export interface SharedCluster {
  readonly one: Cluster;
  readonly two: Cluster;
  /** Makes the engine lose everything, and resolves when all nodes know. */
  readonly lose: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface ClusterOptions {
  readonly leaseSeconds: number;
}

export type OpenCluster = (options: ClusterOptions) => Promise<SharedCluster>;

let names = 0;

function newName(): RepositoryName {
  return parseRepositoryName(`contract/${names++}`);
}

function digestNumber(number: number) {
  return parseDigest(`sha256:${number.toString(16).padStart(64, "0")}`);
}

const tag = parseTag("latest");

/** Work that ends when the test decides. */
class Held {
  started = false;
  #end: (error?: Error) => void = () => {};

  readonly work = (): Promise<void> => {
    this.started = true;
    return new Promise((resolve, reject) => {
      this.#end = (error) => (error === undefined ? resolve() : reject(error));
    });
  };

  end(error?: Error): void {
    this.#end(error);
  }
}

/** Waits until messages in flight have had time to arrive, for events that must not happen. */
async function settle(): Promise<void> {
  for (let count = 0; count < 10; count++) await turn();
  await pause(messageMilliseconds);
}

let messageMilliseconds = 0;

async function until(what: string, look: () => boolean): Promise<void> {
  const end = Date.now() + 5_000;
  while (!look()) {
    assert.ok(Date.now() < end, `not in time: ${what}`);
    await turn();
  }
}

/** A message is on its way for no longer than `milliseconds`. */
export function testCluster(implementation: string, open: OpenCluster, milliseconds = 0): void {
  messageMilliseconds = milliseconds;
  describe(`cluster over ${implementation}`, async () => {
    const cluster = await open({ leaseSeconds: 3600 });
    const { one, two } = cluster;
    after(() => cluster.close());

    testLocks(one, two);
    testChanges(one, two, open);
    testLeases(one, two);
    testEndsOfLeases(open);
    testUploads(one, two, open);
    testOnce(one, two);
    testHints(one, two);
  });
}

function testLocks(one: Cluster, two: Cluster): void {
  test("shared holders run together, on any node", async () => {
    const name = newName();
    const [first, second] = [new Held(), new Held()];
    const works = [
      one.repositoryLocks.shared(name, first.work),
      two.repositoryLocks.shared(name, second.work),
    ];
    await until("both are inside", () => first.started && second.started);
    first.end();
    second.end();
    await Promise.all(works);
  });

  test("an exclusive holder is alone, and neither kind overtakes waiting ones", async () => {
    const name = newName();
    const [push, deletion, later] = [new Held(), new Held(), new Held()];
    const works = [one.repositoryLocks.shared(name, push.work)];
    await until("the push is inside", () => push.started);
    works.push(two.repositoryLocks.exclusive(name, deletion.work));
    await settle();
    works.push(one.repositoryLocks.shared(name, later.work));
    await settle();
    assert.deepEqual([deletion.started, later.started], [false, false]);
    push.end();
    await until("the deletion is inside", () => deletion.started);
    await settle();
    assert.ok(!later.started);
    deletion.end();
    await until("the later push is inside", () => later.started);
    later.end();
    await Promise.all(works);
  });

  test("a node that takes a lock again and again leaves it to others that wait", async () => {
    const name = newName();
    let [taken, isOver] = [0, false];
    const again = async () => {
      while (!isOver)
        await one.repositoryLocks.exclusive(name, async () => {
          taken++;
          await pause(50);
        });
    };
    const greedy = [again(), again(), again()];
    const counts: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      const before = taken;
      await two.repositoryLocks.exclusive(name, async () => {});
      counts.push(taken - before);
    }
    isOver = true;
    await Promise.all(greedy);
    // Callers of one process wait in a row; a node in a cluster has a place in the row when it has asked once.
    assert.ok(Math.max(...counts) <= 6, `the other node took it ${counts} times meanwhile`);
  });

  test("locks of other repositories and kinds do not wait", async () => {
    const name = newName();
    const held = new Held();
    const work = one.repositoryLocks.exclusive(name, held.work);
    await until("it is held", () => held.started);
    assert.equal(await two.repositoryLocks.exclusive(newName(), async () => 1), 1);
    assert.equal(await two.targetLocks.exclusive(`${name}:${tag}`, async () => 2), 2);
    assert.equal(await two.maintenanceLocks.exclusive("collect", async () => 3), 3);
    held.end();
    await work;
  });

  test("failing work rejects with its error and releases the lock", async () => {
    const name = newName();
    const failing = () => Promise.reject(new Error("wanted"));
    await assert.rejects(one.repositoryLocks.exclusive(name, failing), /wanted/);
    await assert.rejects(one.repositoryLocks.shared(name, failing), /wanted/);
    assert.equal(await two.repositoryLocks.exclusive(name, async () => 1), 1);
    assert.deepEqual([one.repositoryLocks.size, two.repositoryLocks.size], [0, 0]);
  });

  test("a hold can be confirmed while the engine is available", async () => {
    await one.repositoryLocks.exclusive(newName(), async (hold) => hold.confirm());
    await one.repositoryLocks.shared(newName(), async (hold) => hold.confirm());
  });
}

async function isLeased(node: Cluster, name: RepositoryName, digest: Digest): Promise<boolean> {
  return (await node.leases.leased(name, [digest])).has(digest);
}

function testLeases(one: Cluster, two: Cluster): void {
  const digest = digestNumber(7);

  for (const grant of ["grant", "renew"] as const) {
    test(`a lease by ${grant} covers one object in one repository, and every node knows it`, async () => {
      const name = newName();
      one.leases[grant](`${name}@${digest}`);
      for (const node of [one, two]) {
        assert.deepEqual([...(await node.leases.leased(name, [digestNumber(8), digest]))], [digest]);
        assert.ok(!(await isLeased(node, newName(), digest)));
      }
    });
  }

  test("an object counts as leased while it is looked for, and has a lease only if it was found", async () => {
    const key = (name: RepositoryName) => `${name}@${digest}` as const;
    const [missing, found, failing] = [newName(), newName(), newName()];
    let end: (value: number | undefined) => void = () => {};
    const look = () => new Promise<number | undefined>((resolve) => (end = resolve));
    for (const [name, value] of [
      [missing, undefined],
      [found, 5],
    ] as const) {
      const looking = one.leases.during(key(name), look);
      assert.ok(await isLeased(two, name, digest));
      end(value);
      assert.equal(await looking, value);
      assert.equal(await isLeased(two, name, digest), value !== undefined);
    }
    const failure = () => Promise.reject(new Error("wanted"));
    await assert.rejects(one.leases.during(key(failing), failure), /wanted/);
    assert.ok(!(await isLeased(two, failing, digest)));
  });

  test("an object that is leased or looked for on any node is not removed", async () => {
    const [leased, looked] = [newName(), newName()];
    const removal = () => assert.fail("it is removed");
    one.leases.grant(`${leased}@${digest}`);
    assert.equal(await two.leases.condemn(leased, digest, removal), "leased");
    const look = new Held();
    const looking = one.leases.during(`${looked}@${digest}`, look.work);
    assert.equal(await two.leases.condemn(looked, digest, removal), "leased");
    look.end();
    await looking;
  });

  test("nodes forget a condemned object before its removal, and lookups wait for the end", async () => {
    const name = newName();
    const heard: string[] = [];
    const stop = two.changes.subscribe(({ kind }) => {
      heard.push(kind);
      return undefined;
    });
    const removal = new Held();
    const removing = one.leases.condemn(name, digest, removal.work);
    await until("it is being removed", () => removal.started);
    assert.deepEqual(heard, ["condemned"]);
    let looked = 0;
    const looks = [one, two].map((node) => node.leases.during(`${name}@${digest}`, () => void looked++));
    await settle();
    assert.equal(looked, 0);
    removal.end();
    await Promise.all([removing, ...looks]);
    assert.equal(looked, 2);
    stop();
  });

  test("a failing removal rejects with its error, and the object can be looked for again", async () => {
    const name = newName();
    const failing = () => Promise.reject(new Error("wanted"));
    await assert.rejects(one.leases.condemn(name, digest, failing), /wanted/);
    assert.equal(await two.leases.during(`${name}@${digest}`, () => 1), 1);
  });

  test("notes are exactly those of all nodes for the repository meanwhile", async () => {
    const name = newName();
    await one.leases.note(name, [digestNumber(1)]);
    await one.leases.withNotes(name, async (noted) => {
      await one.leases.note(name, [digestNumber(2)]);
      await two.leases.note(name, [digestNumber(3), digestNumber(4)]);
      await two.leases.note(newName(), [digestNumber(5)]);
      assert.deepEqual([...noted], [2, 3, 4].map(digestNumber));
      await two.leases.withNotes(name, async (second) => {
        await one.leases.note(name, [digestNumber(6)]);
        assert.deepEqual([...second], [digestNumber(6)], "no earlier notes");
      });
      assert.ok(noted.has(digestNumber(6)));
    });
  });
}

function testEndsOfLeases(open: OpenCluster): void {
  const digest = digestNumber(7);

  test("a lease expires", async () => {
    const { one, two, close } = await open({ leaseSeconds: 1 });
    const name = newName();
    one.leases.grant(`${name}@${digest}`);
    assert.ok(await isLeased(two, name, digest));
    assert.ok((await one.leases.pausedUntil()) <= Date.now());
    await pause(2_100);
    assert.ok(!(await isLeased(two, name, digest)));
    assert.equal(await two.leases.condemn(name, digest, async () => "removed"), "removed");
    await close();
  });

  test("when leases are lost, everything counts as leased for the time of a lease", async () => {
    const { one, two, lose, close } = await open({ leaseSeconds: 1 });
    const name = newName();
    one.leases.grant(`${name}@${digestNumber(8)}`);
    await lose();
    for (const node of [one, two]) {
      assert.ok((await node.leases.pausedUntil()) > Date.now());
      assert.ok(await isLeased(node, name, digest));
      assert.equal(await node.leases.condemn(name, digest, () => assert.fail("it is removed")), "leased");
    }
    await pause(2_100);
    assert.ok((await one.leases.pausedUntil()) <= Date.now());
    assert.equal(await two.leases.condemn(name, digest, async () => "removed"), "removed");
    await close();
  });
}

type Heard = [kind: string, origin: Origin];

function hear(node: Cluster): { readonly heard: Heard[]; readonly stop: () => void } {
  const heard: Heard[] = [];
  const stop = node.changes.subscribe(({ kind }, origin) => {
    heard.push([kind, origin]);
    return undefined;
  });
  return { heard, stop };
}

const robot = "ci" as RobotName;

function testChanges(one: Cluster, two: Cluster, open: OpenCluster): void {
  const name = newName();
  const digest = digestNumber(1);
  const changes: readonly Change[] = [
    { kind: "tag-pointed", name, tag },
    { kind: "tag-removed", name, tag },
    { kind: "tag-unsure", name, tag },
    { kind: "manifest-deleted", name, digest },
    { kind: "blob-deleted", name, digest },
    { kind: "condemned", name, digest },
    { kind: "pushed-untagged", name },
    { kind: "repository-emptied", name },
    { kind: "blobs-healed" },
    { kind: "robot-changed", robot },
    { kind: "web-session-ended", session: newWebSessionId() },
  ];

  const followAll = () => Promise.all([one, two].map((node) => node.changes.followAll()));

  test("a change reaches its own node at once, and all others before publishing resolves", async () => {
    await followAll();
    for (const change of changes) {
      const heard: [Change | ChangesLost, Origin][] = [];
      const stops = [one, two].map((node) =>
        node.changes.subscribe((...told) => {
          heard.push(told);
          return undefined;
        }),
      );
      const told = one.changes.publish(change);
      assert.deepEqual(heard[0], [change, "here"], "before `publish` returns");
      await told;
      assert.deepEqual(heard[1], [change, "elsewhere"]);
      for (const stop of stops) stop();
    }
  });

  test("a node that follows a tag or a repository receives its changes, and knows when it does", async () => {
    const { one, two, close } = await open({ leaseSeconds: 3600 });
    for (const of of [name, `${name}:${tag}`] as const) {
      two.changes.follow(of);
      await until("it receives them", () => two.changes.knowsTags(of));
      const { heard, stop } = hear(two);
      await one.changes.publish({ kind: "tag-pointed", name, tag });
      assert.deepEqual(heard, [["tag-pointed", "elsewhere"]]);
      stop();
    }
    await close();
  });

  test("publishing waits for the listeners, and rejects with an error of one when all have ended", async () => {
    const [failing, slow] = [new Held(), new Held()];
    const stops = [one.changes.subscribe(failing.work), two.changes.subscribe(slow.work)];
    let settled = false;
    const told = Promise.resolve(one.changes.publish({ kind: "blobs-healed" })).finally(() => {
      settled = true;
    });
    await until("both listeners are called", () => failing.started && slow.started);
    failing.end(new Error("wanted"));
    await settle();
    assert.ok(!settled);
    slow.end();
    await assert.rejects(told, /wanted/);
    for (const stop of stops) stop();
  });

  test("a removed listener gets no changes", async () => {
    const { heard, stop } = hear(two);
    stop();
    await one.changes.publish({ kind: "blobs-healed" });
    await settle();
    assert.deepEqual(heard, []);
  });

  test("changes under excluding locks arrive in order on every node", async () => {
    await followAll();
    const listeners = [hear(one), hear(two)];
    const point = (node: Cluster) =>
      node.repositoryLocks.shared(name, async () => node.changes.publish({ kind: "tag-pointed", name, tag }));
    const remove = (node: Cluster) =>
      node.repositoryLocks.exclusive(name, async () =>
        node.changes.publish({ kind: "tag-removed", name, tag }),
      );
    await Promise.all([point(one), remove(two), point(two), remove(one)]);
    const [first, second] = listeners.map(({ heard, stop }) => {
      stop();
      return heard.map(([kind]) => kind);
    });
    assert.equal(first?.length, 4);
    assert.deepEqual(first, second);
  });

  test("every node is notified when the engine has lost everything", async () => {
    const { one, two, lose, close } = await open({ leaseSeconds: 3600 });
    const listeners = [hear(one), hear(two)];
    await lose();
    for (const { heard, stop } of listeners) {
      stop();
      assert.deepEqual(heard, [["lost", "elsewhere"]]);
    }
    await one.changes.publish({ kind: "blobs-healed" });
    await close();
  });
}

function testUploads(one: Cluster, two: Cluster, open: OpenCluster): void {
  const handedOver: HandedOver = {
    record: {
      name: newName(),
      opener: "user:alice",
      client: "user:alice",
      algorithm: "sha256",
      announced: false,
      createdAt: 1,
    },
    touchedAt: 2,
  };

  test("a node owns a session until it releases it", async () => {
    const id = one.uploads.newId();
    assert.deepEqual([await one.uploads.owner(id), await two.uploads.owner(id)], [undefined, undefined]);
    one.uploads.own(id);
    assert.equal(await one.uploads.owner(id), "here");
    assert.deepEqual([one.uploads.isSure(id), two.uploads.isSure(id)], [true, false]);
    const name = await two.uploads.owner(id);
    assert.ok(name !== undefined && name !== "here");
    two.uploads.release(id);
    assert.equal(await two.uploads.owner(id), name, "another node cannot release it");
    one.uploads.release(id);
    assert.ok(!one.uploads.isSure(id));
    assert.equal(await two.uploads.owner(id), undefined);
  });

  test("of nodes that claim a session concurrently one gets it, and the others learn which", async () => {
    const id = newSessionId();
    const claims = await Promise.all([one, two, one, two].map((node) => node.uploads.claim(id)));
    const own = await Promise.all([one.uploads.owner(id), two.uploads.owner(id)]);
    assert.equal(own.filter((owner) => owner === "here").length, 1);
    for (const [index, { owner }] of claims.entries()) assert.equal(owner, own[index % 2]);
  });

  test("an owner keeps a session that another node claims, or hands it over with its state", async () => {
    const { one, two, close } = await open({ leaseSeconds: 3600 });
    const [kept, given, stored, unknown] = Array.from({ length: 4 }, () => one.uploads.newId());
    assert.ok(kept !== undefined && given !== undefined && stored !== undefined && unknown !== undefined);
    for (const id of [kept, given, stored, unknown]) one.uploads.own(id);
    const answers = new Map<SessionId, ClaimAnswer>([
      [given, handedOver],
      [stored, "released"],
      [unknown, "unknown"],
    ]);
    one.uploads.onClaim((id) => answers.get(id) ?? "keep");
    const { owner } = await two.uploads.claim(kept);
    assert.equal(owner, await two.uploads.owner(kept));
    assert.notEqual(owner, "here");
    assert.deepEqual(await two.uploads.claim(given), { owner: "here", handedOver });
    assert.equal(await two.uploads.owner(given), "here");
    assert.equal(await one.uploads.owner(given), await one.uploads.owner(given));
    assert.notEqual(await one.uploads.owner(given), "here");
    assert.deepEqual(await two.uploads.claim(stored), { owner: "here", isReleased: true });
    assert.equal(await two.uploads.owner(stored), "here");
    assert.deepEqual(await two.uploads.claim(unknown), { owner: "here" });
    one.uploads.onClaim(() => "keep");
    two.uploads.onClaim(() => "released");
    assert.deepEqual(await one.uploads.claim(stored), { owner: "here", isReleased: true });
    assert.deepEqual(await two.uploads.claim(two.uploads.newId()), { owner: "here" }, "nobody had it");
    await close();
  });

  test("after a loss, a claim resolves with the one owner", async () => {
    const { one, two, lose, close } = await open({ leaseSeconds: 3600 });
    const id = one.uploads.newId();
    one.uploads.own(id);
    await lose();
    const { owner } = await two.uploads.claim(id);
    assert.equal(owner, await two.uploads.owner(id));
    await close();
  });
}

function testOnce(one: Cluster, two: Cluster): void {
  test("work is done once for all concurrent callers on any node, and again for later ones", async () => {
    let runs = 0;
    const held = new Held();
    const work = () => {
      runs++;
      return held.work();
    };
    let waiting = 3;
    const all = [one, two, one].map((node) => node.once("key", work).then(() => waiting--));
    await until("it is begun", () => held.started);
    await one.once("another key", async () => {});
    await settle();
    assert.deepEqual([runs, waiting], [1, 3]);
    held.end();
    await Promise.all(all);
    await two.once("key", async () => void runs++);
    assert.equal(runs, 2);
  });

  test("callers that watch receive what the work tells, also those that come later, and the last note before the end", async () => {
    const held = new Held();
    const heard: string[][] = [[], []];
    let reporter: Reporter | undefined;
    const working = one.once("told", (given) => {
      reporter = given;
      return held.work();
    });
    await until("it is begun", () => held.started);
    assert.equal(reporter?.isWatched, false);
    const unread = two.once("told", held.work);
    const watching = two.once("told", held.work, (note) => heard[0]?.push(note));
    await until("it is watched", () => reporter?.isWatched === true);
    reporter?.report("one");
    await until("it is heard", () => heard[0]?.includes("one") === true);
    const late = two.once("told", held.work, (note) => heard[1]?.push(note));
    await until("it is heard later", () => heard[1]?.includes("one") === true);
    reporter?.report("two");
    held.end();
    await Promise.all([working, unread, watching, late]);
    assert.deepEqual(
      heard.map((notes) => notes.at(-1)),
      ["two", "two"],
    );
  });

  test("failing work rejects for all waiting callers, and can be repeated", async () => {
    const held = new Held();
    const all = [one, two].map((node) => node.once("failing", held.work));
    const refused = all.map((waiting) => assert.rejects(waiting, /wanted/));
    await until("it is begun", () => held.started);
    await settle();
    held.end(new Error("wanted"));
    await Promise.all(refused);
    await two.once("failing", async () => {});
  });
}

function testHints(one: Cluster, two: Cluster): void {
  test("all nodes see a hint until its time is over", async () => {
    assert.equal(await two.hints.get("hint"), undefined);
    one.hints.put("hint", "first", 60_000);
    one.hints.put("hint", "second", 60_000);
    one.hints.put("brief", "gone", 100);
    await settle();
    assert.equal(await one.hints.get("hint"), "second");
    assert.equal(await two.hints.get("hint"), "second");
    await pause(150);
    assert.equal(await two.hints.get("brief"), undefined);
  });
}
