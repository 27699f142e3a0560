// What a node that stops leaves to the others.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { ValkeyCluster } from "../../src/cluster/valkey/open.js";
import { parseDigest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { startRedisServer } from "../support/redis-server.js";
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

test("an engine that may evict entries is refused", async () => {
  const evicting = await startRedisServer("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru");
  await assert.rejects(openNode(evicting.port, "evicted", {}, true), /allkeys-lru.*noeviction/);
  await evicting.stop();
});
