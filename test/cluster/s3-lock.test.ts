// One node uses a bucket, or nodes that share an engine. A dead node's lock ends: at once on the same machine, otherwise a
// minute after its last renewal by the clock of the store, which these tests turn back by the times of the store's files.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import type { S3Client } from "../../src/storage/s3/client.js";
import { keys } from "../../src/storage/s3/keys.js";
import { type LockRecord, lockBytes, readLock } from "../../src/storage/s3/lock-record.js";
import { prepareStore } from "../../src/storage/s3/prepare.js";
import { isRunning, ownIdentity } from "../../src/storage/s3/process-identity.js";
import { acquireStoreLock, StoreLock, type StoreLockOptions } from "../../src/storage/s3/store-lock.js";
import { identifyStore } from "../../src/storage/s3/store-object.js";
import { StoreInUse } from "../../src/storage/store-in-use.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";

const skip = needsVersitygw;
const starting = skip === false ? startS3Server() : undefined;
starting?.catch(() => {});
after(async () => (await starting)?.stop());
let count = 0;

/** A store of its own, with what its nodes were told. */
class Fixture {
  readonly lost: string[] = [];
  readonly waited: string[] = [];
  readonly failures: unknown[] = [];

  private constructor(
    readonly client: S3Client,
    readonly folder: string,
  ) {}

  static async open(): Promise<Fixture> {
    assert.ok(starting !== undefined);
    const server = await starting;
    const prefix = `lock-${count++}/`;
    return new Fixture(server.client(prefix), join(server.folder, server.bucket, prefix));
  }

  acquire(engine?: string, more: Partial<StoreLockOptions> = {}): Promise<StoreLock> {
    return acquireStoreLock(this.client, {
      engine,
      removesWithCondition: true,
      onLost: (reason) => void this.lost.push(reason),
      onWaiting: (why) => void this.waited.push(why),
      onError: (error) => void this.failures.push(error),
      ...more,
    });
  }

  /** Writes the lock of a node on another machine. */
  async plant(record: Partial<LockRecord> = {}, ageSeconds = 0): Promise<void> {
    const elsewhere = { host: "elsewhere", pid: 7, space: "another", started: "1" };
    await this.client.put(keys.lock, lockBytes({ mode: "single", owner: "other", ...elsewhere, ...record }));
    await this.age(ageSeconds);
  }

  async age(seconds: number): Promise<void> {
    const then = Date.now() / 1000 - seconds;
    await utimes(join(this.folder, keys.lock), then, then);
  }

  async record(): Promise<LockRecord | undefined> {
    return (await readLock(this.client))?.record;
  }
}

const on = (what: string, check: (fixture: Fixture) => Promise<void>) =>
  test(what, { skip }, async () => check(await Fixture.open()));

on("a second node is refused at once while the first runs on the same machine", async (fixture) => {
  const lock = await fixture.acquire();
  assert.ok(lock.isSure);
  await assert.rejects(fixture.acquire(), (error) => {
    assert.ok(error instanceof StoreInUse);
    assert.match(error.message, new RegExp(`process ${process.pid} on .*set redis\\.addrs on each`));
    return true;
  });
  await assert.rejects(fixture.acquire("engine"), StoreInUse);
  await lock.release();
  await (await fixture.acquire()).release();
  assert.equal(await fixture.record(), undefined, "a clean stop leaves no lock");
  assert.deepEqual(fixture.waited, []);
});

on("of nodes that start at once, one gets the lock", async (fixture) => {
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => fixture.acquire()));
  const locks = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  assert.equal(locks.length, 1);
  for (const result of results)
    if (result.status === "rejected") assert.ok(result.reason instanceof StoreInUse, String(result.reason));
  await locks[0]?.release();
});

on("the lock of a dead process of this machine is taken at once", async (fixture) => {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const own = await ownIdentity();
  const pid = child.pid ?? 0;
  const other = { ...own, pid };
  assert.equal(await isRunning(own), true);
  assert.equal(
    await isRunning(other),
    false,
    "another process with this number, which started at another time",
  );
  child.kill("SIGKILL");
  await once(child, "exit");
  await fixture.plant(other);
  const lock = await fixture.acquire();
  assert.equal((await fixture.record())?.pid, process.pid);
  assert.deepEqual(fixture.waited, []);
  await lock.release();
});

on("the lock of a node on another machine must expire, with a message meanwhile", async (fixture) => {
  await fixture.plant({}, 58);
  const lock = await fixture.acquire();
  assert.match(fixture.waited.join(), /process 7 on elsewhere renewed its lock 5\d s ago/);
  assert.equal((await fixture.record())?.owner, lock.mine.owner);
  await lock.release();
});

on("a node that renews its lock meanwhile is alive, and keeps it", async (fixture) => {
  await fixture.plant({}, 50);
  const acquiring = fixture.acquire();
  const refused = assert.rejects(acquiring, StoreInUse);
  while (fixture.waited.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await fixture.plant();
  await refused;
});

on("waiting ends with its signal", async (fixture) => {
  await fixture.plant();
  const stopping = new AbortController();
  const acquiring = fixture.acquire(undefined, {
    signal: stopping.signal,
    onWaiting: () => stopping.abort(),
  });
  await assert.rejects(acquiring, { name: "AbortError" });
});

on("nodes with one engine share the lock, others are refused", async (fixture) => {
  const one = await fixture.acquire("engine");
  const two = await fixture.acquire("engine");
  for (const [engine, told] of [
    [undefined, /as a node of a cluster; to join it, set redis\.addrs/],
    ["another", /with another engine/],
  ] as const)
    await assert.rejects(fixture.acquire(engine), told);
  const first = await readLock(fixture.client);
  await two.renew();
  assert.deepEqual((await readLock(fixture.client))?.etag, first?.etag, "one renewal is enough for all");
  await fixture.age(20);
  await Promise.all([one.renew(), two.renew()]);
  assert.ok(((await readLock(fixture.client))?.ageSeconds ?? 99) < 5);
  await one.release();
  await two.renew();
  assert.ok(two.isSure, "the others keep it");
  await two.release();
  assert.deepEqual(fixture.lost, []);
  await fixture.age(62);
  await (await fixture.acquire()).release();
});

on("a node that could not renew its lock for long is not sure of it, until it does", async (fixture) => {
  const { client, options, mine } = await fixture.acquire();
  const found = await readLock(client);
  assert.ok(found !== undefined);
  const stale = new StoreLock(client, options, mine, found.etag, performance.now() - 51_000);
  assert.throws(() => stale.confirm(), { kind: "storage-unavailable" });
  await stale.renew();
  stale.confirm();
  await stale.release();
});

on("a lock is renewed, also after somebody has removed it, and after a lost answer", async (fixture) => {
  const lock = await fixture.acquire();
  await fixture.age(30);
  await lock.renew();
  assert.ok(((await readLock(fixture.client))?.ageSeconds ?? 99) < 5);
  await fixture.client.delete(keys.lock);
  await lock.renew();
  assert.equal((await fixture.record())?.owner, lock.mine.owner);
  // A renewal of this node whose answer it has not seen.
  await fixture.client.put(keys.lock, lockBytes(lock.mine));
  await lock.renew();
  assert.deepEqual(fixture.lost, []);
  await lock.renew();
  await lock.release();
  assert.equal(await fixture.record(), undefined);
});

for (const engine of [undefined, "engine"] as const)
  on(
    `a ${engine === undefined ? "single node" : "node of a cluster"} whose lock another has stops`,
    async (fixture) => {
      const lock = await fixture.acquire(engine);
      lock.confirm();
      await fixture.plant({ mode: "single" });
      await lock.renew();
      assert.equal(fixture.lost.length, 1);
      assert.match(fixture.lost[0] ?? "", /process 7 on elsewhere/);
      assert.equal(lock.isSure, false);
      assert.throws(() => lock.confirm(), /cannot reach its storage/);
      await lock.renew();
      await lock.release();
      assert.equal(fixture.lost.length, 1, "told once");
      assert.equal((await fixture.record())?.owner, "other", "and the other's lock stays");
    },
  );

on("without conditional removals, a stop removes its own lock only", async (fixture) => {
  const lock = await fixture.acquire(undefined, { removesWithCondition: false });
  await fixture.plant();
  await lock.release();
  assert.equal((await fixture.record())?.owner, "other");
  await fixture.age(62);
  await (await fixture.acquire(undefined, { removesWithCondition: false })).release();
  assert.equal(await fixture.record(), undefined);
});

on("a damaged lock counts as that of an unknown node until it expires", async (fixture) => {
  await fixture.client.put(keys.lock, Buffer.from("{"));
  await fixture.age(59);
  const lock = await fixture.acquire();
  assert.match(fixture.waited.join(), /somebody renewed its lock/);
  await lock.release();
});

on("a store has one identity, however many nodes start first", async ({ client }) => {
  await assert.rejects(identifyStore(client, false), /there is no store in the bucket/);
  const stores = await Promise.all(Array.from({ length: 8 }, () => identifyStore(client, true)));
  assert.equal(new Set(stores.map(({ id }) => id)).size, 1);
  assert.equal(stores.filter(({ fresh }) => fresh).length, 1);
  assert.deepEqual(await identifyStore(client, false), { id: stores[0]?.id, fresh: false });
  await client.put(keys.store, Buffer.from('{"format":2,"id":"x"}'));
  await assert.rejects(identifyStore(client, true), /format 2, but this version knows format 1/);
  await client.put(keys.store, Buffer.from("other"));
  await assert.rejects(identifyStore(client, true), /does not describe a store/);
});

on("a store is tested, locked and identified; a command creates none", async ({ client }) => {
  const options = { onLost: () => {}, onWaiting: () => {}, onError: () => {} };
  await assert.rejects(prepareStore(client, { ...options, create: false }), /there is no store/);
  for await (const { key } of client.list("")) assert.fail(`${key} was left`);
  const prepared = await prepareStore(client, { ...options, create: true });
  assert.deepEqual([prepared.fresh, prepared.removesWithCondition], [true, true]);
  await assert.rejects(prepareStore(client, { ...options, create: true }), StoreInUse);
  await prepared.lock.release();
  const again = await prepareStore(client, { ...options, create: false });
  assert.deepEqual([again.fresh, again.id], [false, prepared.id]);
  await again.lock.release();
});
