// The activity of the last day: quarters of an hour, across restarts, whatever the clock does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Activity, quarterMilliseconds, quarters } from "../../src/browse/activity.js";
import { SharedActivity } from "../../src/browse/shared-activity.js";
import type { Cluster } from "../../src/cluster/cluster.js";
import { MemoryOnce } from "../../src/cluster/memory/once.js";
import type { NoteStore } from "../../src/storage/storage.js";

const start = 1_000_000 * quarterMilliseconds + 1_000;

function counted(now = start) {
  const totals = { pulls: 0 };
  const activity = new Activity(() => ({ ...totals }), now);
  return { totals, activity };
}

class Notes implements NoteStore {
  readonly notes = new Map<string, Buffer>();

  async read(name: string): Promise<Buffer | undefined> {
    return this.notes.get(name);
  }

  async take(name: string): Promise<Buffer | undefined> {
    const found = this.notes.get(name);
    this.notes.delete(name);
    return found;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    this.notes.set(name, Buffer.from(bytes));
  }
}

test("what happens counts for its quarter of an hour, and is gone after a day", () => {
  const { totals, activity } = counted();
  totals.pulls = 3;
  activity.sample(start + 10_000);
  totals.pulls = 5;
  activity.sample(start + quarterMilliseconds);
  totals.pulls = 12;
  activity.sample(start + quarterMilliseconds + 10_000);
  const { values, sum } = activity.series("pulls");
  assert.equal(values.length, quarters);
  assert.deepEqual(values.slice(-2), [5, 7]);
  assert.equal(sum, 12);
  activity.sample(start + quarters * quarterMilliseconds);
  assert.equal(activity.series("pulls").sum, 7, "the first quarter is more than a day old");
  activity.sample(start + 3 * quarters * quarterMilliseconds);
  assert.equal(activity.series("pulls").sum, 0);
  assert.equal(activity.series("unknown").sum, 0);
});

test("a clock that goes back loses nothing", () => {
  const { totals, activity } = counted();
  totals.pulls = 1;
  activity.sample(start - 5 * quarterMilliseconds);
  totals.pulls = 2;
  activity.sample(start);
  assert.equal(activity.series("pulls").values.at(-1), 2);
});

/** As much as nodes share, with a store that takes its time. */
function sharing() {
  const notes = new Notes();
  const slow: NoteStore = {
    read: (name) => pause(1).then(() => notes.read(name)),
    take: (name) => pause(1).then(() => notes.take(name)),
    put: (name, bytes) => pause(1).then(() => notes.put(name, bytes)),
  };
  const once = new MemoryOnce();
  const cluster: Pick<Cluster, "once"> = { once: (key, work) => once.run(key, work) };
  const join = (pulls: number, now = start) => {
    const { totals, activity } = counted(now);
    totals.pulls = pulls;
    return { totals, activity, shared: new SharedActivity(activity, slow, cluster) };
  };
  const sumAt = async (now: number) => {
    const { activity, shared } = join(0, now);
    await shared.refresh(now);
    return activity.series("pulls").sum;
  };
  const entries = () => Object.keys(JSON.parse(String(notes.notes.get("activity-of-nodes")))).length;
  return { notes, join, sumAt, entries };
}

test("nodes see the sum of their figures, also of a node that has stopped", async () => {
  const { join } = sharing();
  const nodes = [1, 10, 100].map((pulls) => join(pulls));
  const exchangeAll = async (now: number) => {
    for (const { shared } of nodes) await shared.exchange(now);
    for (const { shared } of nodes) await shared.exchange(now + 1);
  };
  const sums = () => nodes.map(({ activity }) => activity.series("pulls").sum);
  await exchangeAll(start + 1_000);
  assert.deepEqual(sums(), [111, 111, 111]);
  await exchangeAll(start + 2_000);
  assert.deepEqual(sums(), [111, 111, 111], "nothing counts twice");
  await nodes.pop()?.shared.leave(start + 2_500);
  await exchangeAll(start + 3_000);
  assert.deepEqual(sums(), [111, 111]);
  await exchangeAll(start + quarters * quarterMilliseconds);
  assert.deepEqual(sums(), [0, 0]);
});

test("nodes that stop at once keep all figures, in one entry, however often they restart", async () => {
  const { join, sumAt, entries } = sharing();
  for (let round = 1; round <= 25; round++) {
    const now = start + round;
    const nodes = [1, 10, 100].map((pulls) => join(pulls, now));
    await Promise.all(nodes.map(({ shared }) => shared.exchange(now)));
    await Promise.all(nodes.map(({ shared }) => shared.leave(now)));
    assert.equal(await sumAt(now), round * 111);
    assert.equal(entries(), 1);
  }
});

test("figures of ended nodes stay at their time, and are gone after a day", async () => {
  const { join, sumAt } = sharing();
  await join(3).shared.leave(start);
  const later = start + 2 * quarterMilliseconds;
  const node = join(4, later);
  await node.shared.leave(later);
  assert.deepEqual(node.activity.series("pulls").values.slice(-3), [3, 0, 4]);
  assert.equal(await sumAt(start + (quarters - 1) * quarterMilliseconds), 7);
  assert.equal(await sumAt(start + quarters * quarterMilliseconds), 4);
});

test("a single node's figures from an earlier version count once", async () => {
  const { notes, join, sumAt } = sharing();
  const earlier = counted();
  earlier.totals.pulls = 4;
  earlier.activity.sample(start);
  notes.notes.set("activity", Buffer.from(JSON.stringify(earlier.activity.save())));
  const later = start + 2 * quarterMilliseconds;
  const node = join(1, later);
  await node.shared.refresh(later);
  assert.deepEqual(node.activity.series("pulls").values.slice(-3), [4, 0, 1]);
  await node.shared.leave(later);
  assert.equal(await sumAt(later), 5);
});

for (const note of ["", "{", "[]", '{"quarter":-1,"series":{}}', '{"quarter":1,"series":{"pulls":["x"]}}'])
  test(`a damaged note is ignored: ${note}`, async () => {
    const { notes, sumAt } = sharing();
    notes.notes.set("activity", Buffer.from(note));
    notes.notes.set("activity-of-nodes", Buffer.from(note));
    assert.equal(await sumAt(start), 0);
  });

for (const [why, once] of [
  ["fails", () => Promise.reject(new Error("the engine does not answer"))],
  ["does not come", () => new Promise<void>(() => {})],
] as const)
  test(`a node whose turn ${why} shares its figures nevertheless`, async () => {
    const notes = new Notes();
    const { totals, activity } = counted();
    totals.pulls = 5;
    await new SharedActivity(activity, notes, { once }).leave(start);
    const other = counted();
    await new SharedActivity(other.activity, notes, { once }).refresh(start);
    assert.equal(other.activity.series("pulls").sum, 5);
  });

test("a store that fails during one node's turn costs only its figures", async () => {
  const { notes, join, sumAt } = sharing();
  const put = notes.put.bind(notes);
  let failures = 1;
  notes.put = async (name, bytes) => {
    if (failures-- > 0) throw new Error("the bucket does not answer");
    await put(name, bytes);
  };
  const results = await Promise.allSettled([1, 10, 100].map((pulls) => join(pulls).shared.leave(start)));
  assert.deepEqual(
    results.map(({ status }) => status),
    ["rejected", "fulfilled", "fulfilled"],
  );
  assert.equal(await sumAt(start), 110);
});

test("a shared note with damage, or with too many nodes, is bounded", async () => {
  const { notes, join, sumAt, entries } = sharing();
  notes.notes.set("activity-of-nodes", Buffer.from('{"x":1,"series":[]}'));
  await join(0).shared.exchange(start);
  for (let n = 0; n < 100; n++) await join(1).shared.exchange(start + n);
  assert.ok((await sumAt(start + 200)) <= 64, "some nodes are forgotten");
  assert.equal(entries(), 64);
});

test("many nodes that have crashed keep their figures, but not their entries", async () => {
  const { join, sumAt, entries } = sharing();
  for (let n = 0; n < 64; n++) await join(1).shared.exchange(start + n);
  const later = start + 5 * quarterMilliseconds;
  for (let n = 0; n < 20; n++) await join(1, later).shared.exchange(later + n);
  assert.equal(await sumAt(later + 200), 84);
  assert.equal(entries(), 65);
});
