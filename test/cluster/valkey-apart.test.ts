// Nodes that work without the engine: they push for as long as they reach the storage, and nothing is deleted meanwhile.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Hold } from "../../src/cluster/cluster.js";
import { parseDigest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { startRedisServer } from "../support/redis-server.js";
import { startRelay } from "../support/relay.js";
import { MemoryRecords, openNodes, shortTimes, until } from "../support/valkey-nodes.js";

const server = await startRedisServer();
after(() => server.stop());

const name = parseRepositoryName("team/app");
const digest = parseDigest(`sha256:${"1".repeat(64)}`);
const pointed = { kind: "tag-pointed", name, tag: parseTag("latest") } as const;
const lost = { kind: "cluster-unavailable" };
const { memberMilliseconds, touchMilliseconds } = shortTimes;

/** Two nodes, of which the second reaches the engine and the storage through relays of their own. */
async function open(leaseSeconds = 3600) {
  const relay = await startRelay(server.port);
  const records = new MemoryRecords();
  const second = new MemoryRecords(records);
  const nodes = await openNodes(server, {
    leaseSeconds,
    port: relay.port,
    records,
    second: { records: second },
  });
  const close = async () => {
    await relay.set("pass");
    await nodes.close();
    await relay.stop();
  };
  return { ...nodes, relay, records: second, close };
}

/** A push that runs until it is ended. */
function longPush(node: Awaited<ReturnType<typeof open>>["one"]) {
  let hold: Hold | undefined;
  let end = () => {};
  const done = node.repositoryLocks.shared(name, (held) => {
    hold = held;
    return new Promise<void>((resolve) => {
      end = resolve;
    });
  });
  const stop = () => {
    end();
    return done;
  };
  return { confirm: () => hold?.confirm(), end: stop };
}

test("while the engine is gone, all nodes push, and a running push is not interrupted", async () => {
  const { one, two, close } = await open(1);
  const push = longPush(two);
  await server.kill();
  const begun = performance.now();
  while (performance.now() - begun < 3 * memberMilliseconds) {
    for (const node of [one, two]) {
      await node.repositoryLocks.shared(name, async (hold) => hold.confirm());
      await node.changes.publish(pointed);
      await assert.rejects(async () => node.repositoryLocks.exclusive(name, async () => {}), lost);
      assert.equal(await node.leases.condemn(name, digest, () => assert.fail("it is removed")), "leased");
    }
    push.confirm();
    await pause(50);
  }
  await server.restart();
  await until("both are back", () => one.isWhole && two.isWhole);
  push.confirm();
  await push.end();
  await one.repositoryLocks.exclusive(name, async (hold) => hold.confirm());
  await close();
});

describe("a node that others can reach the engine without", () => {
  test("pushes, and the others delete nothing and look tags up, until it is back", async () => {
    const { one, two, relay, close } = await open();
    const push = longPush(two);
    await relay.set("refuse");
    await until("it is missing", () => !one.isWhole);
    const begun = performance.now();
    while (performance.now() - begun < 3 * memberMilliseconds) {
      await two.repositoryLocks.shared(name, async (hold) => hold.confirm());
      await two.changes.publish(pointed);
      push.confirm();
      assert.ok(!one.changes.knows("tags"));
      await assert.rejects(async () => one.repositoryLocks.exclusive(name, async () => {}), lost);
      assert.equal((await one.leases.leased(name, [digest])).size, 1);
      await pause(50);
    }
    assert.equal(one.nodes, 2);
    await assert.rejects(
      async () => one.repositoryLocks.exclusive(name, async () => {}),
      /works without the engine; it must reach the engine again, or end/,
    );
    await relay.set("pass");
    await until("it is back", () => one.isWhole && two.isWhole);
    push.confirm();
    await push.end();
    await one.repositoryLocks.exclusive(name, async (hold) => hold.confirm());
    assert.equal(await one.leases.condemn(name, digest, async () => "removed"), "removed");
    await close();
  });

  test("is found by the others if the engine has lost everything meanwhile", async () => {
    const { one, two, relay, close } = await open(1);
    await relay.set("refuse");
    await until("it is missing", () => !one.isWhole);
    await pause(memberMilliseconds);
    const { epoch } = one;
    await server.restart();
    await until("a new epoch", () => one.epoch !== epoch);
    const begun = performance.now();
    while (performance.now() - begun < 3 * memberMilliseconds) {
      await two.repositoryLocks.shared(name, async (hold) => hold.confirm());
      await assert.rejects(async () => one.repositoryLocks.exclusive(name, async () => {}), lost);
      assert.ok(!one.changes.knows("tags"));
      await pause(50);
    }
    assert.equal(one.nodes, 2, "it is registered");
    await relay.set("pass");
    await until("it is back", () => one.isWhole && two.isWhole);
    await one.repositoryLocks.exclusive(name, async (hold) => hold.confirm());
    await close();
  });

  test("stops pushing before the others forget it, if it loses the storage, too", async () => {
    const { one, two, relay, records, close } = await open(1);
    const push = longPush(two);
    await relay.set("refuse");
    await pause(2 * memberMilliseconds);
    push.confirm();
    records.away = true;
    await until("it pushes no longer", () => {
      assert.equal(one.nodes, 2, "it is not forgotten before");
      try {
        push.confirm();
        return false;
      } catch {
        return true;
      }
    });
    await until("it is forgotten", () => one.nodes === 1);
    assert.ok((await one.leases.pausedUntil()) > Date.now(), "its leases are lost");
    assert.equal(await one.repositoryLocks.exclusive(name, async () => 1), 1);
    records.away = false;
    await pause(memberMilliseconds);
    await assert.rejects(async () => two.repositoryLocks.shared(name, async () => {}), lost);
    await relay.set("pass");
    await until("it is back", () => one.isWhole && two.isWhole);
    assert.throws(push.confirm, lost);
    await push.end();
    await two.repositoryLocks.shared(name, async (hold) => hold.confirm());
    await close();
  });
});

test("an engine that was started again with a snapshot counts as one that lost everything", async () => {
  const { mkdtemp, rm } = await import("node:fs/promises");
  const { tmpdir } = await import("node:os");
  const folder = await mkdtemp(`${tmpdir()}/gantry-engine-`);
  const saving = await startRedisServer("--dir", folder);
  const { one, two, close } = await openNodes(saving, { leaseSeconds: 1 });
  await one.repositoryLocks.exclusive(name, async () => {});
  const { epoch } = one;
  assert.equal(await saving.command("SAVE"), "+OK\r\n");
  await saving.restart();
  assert.match(await saving.command("KEYS", "*:epoch"), /:epoch/, "it has the snapshot");
  await until("a new epoch", () => one.epoch !== epoch && two.epoch === one.epoch);
  await assert.rejects(async () => one.repositoryLocks.exclusive(name, async () => {}), lost);
  await pause(memberMilliseconds + touchMilliseconds);
  await until("both are back", () => one.isWhole && two.isWhole);
  assert.equal(await two.repositoryLocks.exclusive(name, async () => 1), 1);
  await close();
  await saving.stop();
  await rm(folder, { recursive: true });
});
