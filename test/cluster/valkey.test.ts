// Nodes over an engine that dies, freezes or loses everything, and nodes that lose the engine.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Abandoned, type Cluster, type Hold } from "../../src/cluster/cluster.js";
import { parseDigest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { startRedisServer } from "../support/redis-server.js";
import { startRelay } from "../support/relay.js";
import { MemoryRecords, openNode, openNodes, shortTimes, until } from "../support/valkey-nodes.js";

const server = await startRedisServer();
after(() => server.stop());

const name = parseRepositoryName("team/app");
const tag = parseTag("latest");
const digest = parseDigest(`sha256:${"1".repeat(64)}`);
const pointed = { kind: "tag-pointed", name, tag } as const;
const lost = { kind: "cluster-unavailable" };
const { touchMilliseconds, memberMilliseconds, heldMilliseconds } = shortTimes;

/** Two nodes, of which the second reaches the engine through a relay, and does not reach the storage. */
async function openWithRelay(leaseSeconds = 3600) {
  const relay = await startRelay(server.port);
  const records = new MemoryRecords();
  records.away = true;
  const nodes = await openNodes(server, { leaseSeconds, port: relay.port, second: { records } });
  const close = async () => {
    await relay.set("pass");
    await nodes.close();
    await relay.stop();
  };
  return { ...nodes, relay, close };
}

test("pushes of blobs, cached pulls and shared locks send no message", async () => {
  const { one, close } = await openNodes(server, {});
  const sent = () => [...one.sent].reduce((sum, [kind, count]) => sum + (kind === "beat" ? 0 : count), 0);
  const before = sent();
  for (let count = 0; count < 100; count++) {
    const id = one.uploads.newId();
    one.uploads.own(id);
    one.uploads.release(id);
    one.leases.grant(`${name}@${digest}`);
    one.leases.renew(`${name}@${digest}`);
    await one.leases.during(`${name}@${digest}`, () => 1);
    await one.repositoryLocks.shared(name, async (hold) => hold.confirm());
    assert.equal(one.leases.note(name, [digest]), undefined);
  }
  assert.equal(sent(), before);
  await one.changes.publish(pointed);
  assert.equal(sent(), before + 1);
  await close();
});

describe("an engine that does not answer", () => {
  for (const [how, fail, mend] of [
    ["killed", () => server.kill(), () => server.restart()],
    ["frozen", async () => server.pause(), async () => server.resume()],
  ] as const)
    test(`${how}: pushes and pulls go on without caches of tags, deletions are refused, and all is well afterwards`, async () => {
      const { one, two, close } = await openNodes(server, { leaseSeconds: 1 });
      const heard: string[] = [];
      one.changes.subscribe(({ kind }) => {
        heard.push(kind);
        return undefined;
      });
      await fail();
      await until("both nodes know", () => !one.changes.knows("tags") && !two.changes.knows("content"));
      await one.repositoryLocks.shared(name, async (hold) => hold.confirm());
      const begun = performance.now();
      await one.changes.publish(pointed);
      assert.ok(performance.now() - begun < 2 * touchMilliseconds);
      await assert.rejects(async () => one.repositoryLocks.exclusive(name, async () => {}), lost);
      assert.equal(await one.leases.condemn(name, digest, () => assert.fail("it is removed")), "leased");
      let runs = 0;
      await one.once("key", async () => void runs++);
      assert.equal(runs, 1);
      assert.ok(heard.includes("lost"));
      await mend();
      await until("both nodes know again", () => one.changes.knows("tags") && two.changes.knows("tags"));
      await until("locks are granted", () => one.isWhole);
      await one.repositoryLocks.exclusive(name, async (hold) => hold.confirm());
      await close();
    });

  test("after a restart, nothing is locked exclusively or removed before all nodes had time to come back", async () => {
    const { one, two, close } = await openNodes(server, { leaseSeconds: 1 });
    const { epoch } = one;
    await server.restart();
    await until("a new epoch", () => one.epoch !== epoch);
    await assert.rejects(() => one.repositoryLocks.exclusive(name, async () => {}), lost);
    assert.ok(!one.changes.knows("tags"));
    await pause(memberMilliseconds + touchMilliseconds);
    await until("both are back", () => one.isWhole && two.isWhole);
    assert.equal(await two.repositoryLocks.exclusive(name, async () => 1), 1);
    await close();
  });
});

describe("work that runs once", () => {
  /** Work of one node, which another node waits for. */
  function begin(runner: Cluster, waiter: Cluster) {
    let end: (error?: Error) => void = () => {};
    const working = runner.once(
      "work",
      () =>
        new Promise((resolve, reject) => {
          end = (error) => (error === undefined ? resolve() : reject(error));
        }),
    );
    let runs = 0;
    const wait = () => waiter.once("work", async () => void runs++);
    return { working, end: (error?: Error) => end(error), wait, runs: () => runs };
  }

  test("is done by a node that waits if the first one abandons it", async () => {
    const { one, two, close } = await openNodes(server, {});
    const { working, end, wait, runs } = begin(one, two);
    const refused = assert.rejects(working, Abandoned);
    await pause(touchMilliseconds);
    const waiting = wait();
    await pause(touchMilliseconds);
    assert.equal(runs(), 0);
    end(new Abandoned("wanted"));
    await Promise.all([refused, waiting]);
    assert.equal(runs(), 1);
    await close();
  });

  test("is done by a node that waits if the first one is lost", async () => {
    const { one, two, relay, close } = await openWithRelay();
    const { working, end, wait, runs } = begin(two, one);
    await pause(touchMilliseconds);
    const waiting = wait();
    await pause(touchMilliseconds);
    assert.equal(runs(), 0);
    await relay.set("refuse");
    await waiting;
    assert.equal(runs(), 1);
    end();
    await working;
    await close();
  });
});

describe("a node without the engine and without the storage", () => {
  test("keeps its shared holds for a bounded time, in which no other node gets the lock", async () => {
    const { one, two, relay, close } = await openWithRelay();
    let hold: Hold | undefined;
    let end = () => {};
    const pushing = two.repositoryLocks.shared(name, (held) => {
      hold = held;
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    });
    await relay.set("hang");
    await until("the other node is missing", () => !one.isWhole);
    assert.doesNotThrow(() => hold?.confirm());
    await assert.rejects(() => one.repositoryLocks.exclusive(name, async () => {}), lost);
    await until("it is forgotten", () => one.nodes === 1);
    assert.throws(() => hold?.confirm(), lost);
    assert.equal(await one.repositoryLocks.exclusive(name, async () => 1), 1);
    await assert.rejects(() => two.repositoryLocks.shared(name, async () => {}), lost);
    await relay.set("pass");
    await until("it is back", () => one.isWhole && two.isWhole && one.nodes === 2);
    assert.throws(() => hold?.confirm(), lost, "the lock was given away meanwhile");
    end();
    await pushing;
    await two.repositoryLocks.shared(name, async (held) => held.confirm());
    await close();
  });

  test("is not waited for, and makes the others ask the storage for tags, but not for content", async () => {
    const { one, two, relay, close } = await openWithRelay();
    await relay.set("hang");
    await until("it is missing", () => !one.changes.knows("tags"));
    assert.ok(one.changes.knows("content"));
    await until("it knows itself", () => !two.changes.knows("content"));
    await pause(touchMilliseconds);
    const begun = performance.now();
    await one.changes.publish(pointed);
    assert.ok(performance.now() - begun < touchMilliseconds);
    await close();
  });

  test("makes everything count as leased until the time of its leases has passed", async () => {
    const { one, relay, close } = await openWithRelay(2);
    assert.equal((await one.leases.leased(name, [digest])).size, 0);
    await relay.set("refuse");
    await until("it is missing", () => !one.isWhole);
    assert.equal((await one.leases.leased(name, [digest])).size, 1);
    await until("it is forgotten", () => one.nodes === 1);
    assert.ok((await one.leases.pausedUntil()) > Date.now());
    assert.equal(await one.leases.condemn(name, digest, () => assert.fail("it is removed")), "leased");
    await pause(2_100);
    assert.equal(await one.leases.condemn(name, digest, async () => "removed"), "removed");
    await close();
  });

  test("loses an exclusive hold before another node gets it", async () => {
    const { one, two, relay, close } = await openWithRelay();
    let hold: Hold | undefined;
    let end = () => {};
    const deleting = two.repositoryLocks.exclusive(name, (held) => {
      hold = held;
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    });
    await until("it is held", () => hold !== undefined);
    let isPushing = false;
    const push = one.repositoryLocks.shared(name, async () => {
      isPushing = true;
    });
    await pause(heldMilliseconds * 2);
    assert.doesNotThrow(() => hold?.confirm(), "it is renewed");
    assert.ok(!isPushing);
    await relay.set("hang");
    await until("the hold is lost", () => {
      try {
        hold?.confirm();
        return false;
      } catch {
        return true;
      }
    });
    assert.ok(!isPushing);
    await push;
    end();
    await deleting;
    await close();
  });

  test("makes the notes of others keep everything", async () => {
    const { one, two, relay, close } = await openWithRelay();
    await two.leases.withNotes(name, async (noted) => {
      await one.leases.note(name, [digest]);
      assert.ok(noted.has(digest));
      const other = parseDigest(`sha256:${"2".repeat(64)}`);
      assert.ok(!noted.has(other));
      await relay.set("hang");
      await until("it is missing", () => !one.isWhole);
      assert.ok(noted.has(other), "a note may be missing");
      await relay.set("pass");
      await until("it is back", () => one.isWhole && two.isWhole);
      assert.ok(noted.has(other));
    });
    await close();
  });

  test("keeps its sessions while it may answer, and loses them once it is silent", async () => {
    const { one, two, relay, close } = await openWithRelay();
    const [asked, silent] = [two.uploads.newId(), two.uploads.newId()];
    for (const id of [asked, silent]) two.uploads.own(id);
    assert.notEqual((await one.uploads.claim(asked)).owner, "here");
    await relay.set("refuse");
    await until("it is missing", () => !one.isWhole);
    // The storage refuses what it still writes to them.
    assert.deepEqual(await one.uploads.claim(silent), { owner: "here", isUnsure: true });
    assert.ok(!one.uploads.isSure(silent));
    assert.equal(await one.uploads.owner(silent), "here");
    await close();
  });

  test("makes all nodes unsure of their sessions, until they have claimed them again", async () => {
    const { one, two, relay, close } = await openWithRelay();
    const [here, there] = [one.uploads.newId(), two.uploads.newId()];
    one.uploads.own(here);
    two.uploads.own(there);
    assert.deepEqual([one.uploads.isSure(here), two.uploads.isSure(there)], [true, true]);
    await relay.set("hang");
    await until("both know", () => !one.uploads.isSure(here) && !two.uploads.isSure(there));
    assert.deepEqual(await two.uploads.claim(here), { owner: "here", isUnsure: true }, "it cannot ask");
    await relay.set("pass");
    await until("both are back", () => one.isWhole && two.isWhole);
    assert.deepEqual([one.uploads.isSure(here), two.uploads.isSure(there)], [false, false]);
    one.uploads.onClaim(() => "released");
    two.uploads.onClaim(() => "released");
    assert.deepEqual(await two.uploads.claim(there), { owner: "here" });
    assert.deepEqual(await one.uploads.claim(here), { owner: "here" });
    assert.deepEqual([one.uploads.isSure(here), two.uploads.isSure(there)], [true, true]);
    assert.ok(!two.uploads.isSure(here));
    await close();
  });

  test("learns that a session has ended elsewhere", async () => {
    const { one, two, close } = await openWithRelay();
    const [opened, claimed] = [one.uploads.newId(), two.uploads.newId()];
    one.uploads.own(opened);
    assert.deepEqual(await one.uploads.claim(claimed), { owner: "here" });
    for (const id of [opened, claimed]) one.uploads.end(id);
    for (const id of [opened, claimed]) assert.deepEqual(await two.uploads.claim(id), { owner: "ended" });
    await close();
  });
});

test("a node that joins waits for locks that others hold", async () => {
  const storeId = `joining-${process.pid}`;
  const one = await openNode(server.port, storeId, {}, true);
  let end = () => {};
  const deleting = one.repositoryLocks.exclusive(name, () => new Promise<void>((resolve) => (end = resolve)));
  await until("it is held", () => one.repositoryLocks.size === 1);
  await pause(100);
  const two = await openNode(server.port, storeId, {}, false);
  let [pushed, looked] = [false, false];
  const push = two.repositoryLocks.shared(name, async () => {
    pushed = true;
  });
  const look = two.leases.during(`${name}@${digest}`, () => {
    looked = true;
    return 1;
  });
  await pause(heldMilliseconds * 1.5);
  assert.deepEqual([pushed, looked], [false, false]);
  end();
  await Promise.all([deleting, push, look]);
  await Promise.all([one.close(), two.close()]);
});
