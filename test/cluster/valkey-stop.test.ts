// What a node that stops leaves to the others.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { ValkeyCluster } from "../../src/cluster/valkey/open.js";
import { parseDigest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { startRedisServer } from "../support/redis-server.js";
import { startRelay } from "../support/relay.js";
import { openNode, openNodes, shortTimes, until } from "../support/valkey-nodes.js";

const server = await startRedisServer();
after(() => server.stop());

const name = parseRepositoryName("team/app");
const other = parseRepositoryName("team/other");
const tag = parseTag("latest");
const digest = parseDigest(`sha256:${"1".repeat(64)}`);

/** Whether exactly the object of `name` is leased, and collection is not paused. */
async function isOnlyLease({ leases }: ValkeyCluster): Promise<boolean> {
  const [leased, free] = [await leases.leased(name, [digest]), await leases.leased(other, [digest])];
  return leased.size === 1 && free.size === 0 && (await leases.pausedUntil()) <= Date.now();
}

test("a node that stops hands its leases to another one, without a pause of collection", async () => {
  const { one, two } = await openNodes(server, {});
  one.leases.grant(`${name}@${digest}`);
  await one.close();
  await until("it is gone", () => two.nodes === 1);
  assert.ok(await isOnlyLease(two));
  assert.equal(await two.leases.condemn(other, digest, async () => "removed"), "removed");
  await two.close();
});

test("the last node leaves its leases in the engine, for the next that starts", async () => {
  const last = await openNode(server.port, "last", {}, true);
  last.leases.grant(`${name}@${digest}`);
  await last.close();
  const next = await openNode(server.port, "last", {}, false);
  assert.ok(await isOnlyLease(next));
  await next.close();
});

test("a node that stops makes nobody wait", async () => {
  const { one, two } = await openNodes(server, {});
  await one.close();
  const begun = performance.now();
  await two.changes.publish({ kind: "tag-pointed", name, tag });
  await two.repositoryLocks.exclusive(name, async (hold) => hold.confirm());
  assert.ok(performance.now() - begun < 2 * shortTimes.touchMilliseconds);
  await two.close();
});

test("a node whose process has ended on this machine is soon forgotten, and its locks are free", async () => {
  const times = { ...shortTimes, memberMilliseconds: 20_000, heldMilliseconds: 10_000 };
  const settleMilliseconds = times.heldMilliseconds / 3;
  const relay = await startRelay(server.port);
  let hasEnded = false;
  const processes = { own: "one", hasEnded: async (process: string) => process === "two" && hasEnded };
  const one = await openNode(server.port, "ended", { times, leaseSeconds: 1, processes }, true);
  const two = await openNode(
    relay.port,
    "ended",
    { times, leaseSeconds: 1, processes: { own: "two", hasEnded: async () => false } },
    false,
  );
  await until("both are there", () => one.isWhole && two.isWhole);
  const deleting = two.repositoryLocks.exclusive(name, () => pause(times.memberMilliseconds / 2));
  await pause(100);
  await relay.set("hang");
  await until("it is silent", () => !one.isWhole);
  await pause(2_500);
  assert.equal(one.nodes, 2, "it may be alive");
  hasEnded = true;
  const begun = performance.now();
  await until("it is forgotten", () => one.nodes === 1, times.memberMilliseconds / 2);
  assert.ok(performance.now() - begun > settleMilliseconds, "what it had sent may still be carried out");
  await one.repositoryLocks.exclusive(name, async (hold) => hold.confirm());
  assert.ok(performance.now() - begun < times.heldMilliseconds, "its entry has not expired");
  assert.ok((await one.leases.pausedUntil()) > Date.now() - 5_000, "its leases are unknown");
  await deleting;
  await Promise.all([one.close(), two.close()]);
  await relay.stop();
});

test("an engine that may evict entries is refused", async () => {
  const evicting = await startRedisServer("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru");
  await assert.rejects(openNode(evicting.port, "evicted", {}, true), /allkeys-lru.*noeviction/);
  await evicting.stop();
});
