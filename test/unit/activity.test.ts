// The activity of the last day: quarters of an hour, across restarts, whatever the clock does.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Activity, quarterMilliseconds, quarters } from "../../src/browse/activity.js";
import { restoreActivity, saveActivity } from "../../src/browse/activity-note.js";
import { SharedActivity } from "../../src/browse/shared-activity.js";
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

test("a restart keeps the figures at their time, and adds to them", async () => {
  const notes = new Notes();
  const before = counted(Date.now());
  before.totals.pulls = 4;
  await saveActivity(before.activity, notes);
  const later = counted(Date.now() + 2 * quarterMilliseconds);
  await restoreActivity(later.activity, notes);
  later.totals.pulls = 1;
  later.activity.sample(Date.now() + 2 * quarterMilliseconds);
  assert.deepEqual(later.activity.series("pulls").values.slice(-3), [4, 0, 1]);
  const muchLater = counted(Date.now() + 2 * quarters * quarterMilliseconds);
  await restoreActivity(muchLater.activity, notes);
  assert.equal(muchLater.activity.series("pulls").sum, 0);
});

for (const note of ["", "{", "[]", '{"quarter":-1,"series":{}}', '{"quarter":1,"series":{"pulls":["x"]}}']) {
  test(`a damaged note is ignored: ${note}`, async () => {
    const notes = new Notes();
    notes.notes.set("activity", Buffer.from(note));
    const { activity } = counted();
    await restoreActivity(activity, notes);
    assert.equal(activity.series("pulls").sum, 0);
  });
}

test("nodes see the sum of their figures, also of a node that has stopped", async () => {
  const notes = new Notes();
  const nodes = [1, 2, 3].map(() => {
    const { totals, activity } = counted();
    return { totals, activity, shared: new SharedActivity(activity, notes) };
  });
  const exchangeAll = async (now: number) => {
    for (const { shared } of nodes) await shared.exchange(now);
    for (const { shared } of nodes) await shared.exchange(now + 1);
  };
  const sums = () => nodes.map(({ activity }) => activity.series("pulls").sum);
  for (const [index, { totals }] of nodes.entries()) totals.pulls = 10 ** index;
  await exchangeAll(start + 1_000);
  assert.deepEqual(sums(), [111, 111, 111]);
  await exchangeAll(start + 2_000);
  assert.deepEqual(sums(), [111, 111, 111], "nothing counts twice");
  nodes.pop();
  // Another node has overwritten the note meanwhile.
  notes.notes.clear();
  await exchangeAll(start + 3_000);
  assert.deepEqual(sums(), [111, 111]);
  await exchangeAll(start + quarters * quarterMilliseconds);
  assert.deepEqual(sums(), [0, 0]);
});

test("a shared note with damage, or with too many nodes, is bounded", async () => {
  const notes = new Notes();
  notes.notes.set("activity-of-nodes", Buffer.from('{"x":1,"series":[]}'));
  const { activity } = counted();
  await new SharedActivity(activity, notes).exchange(start);
  for (let n = 0; n < 100; n++) {
    const { activity: other, totals } = counted();
    totals.pulls = 1;
    await new SharedActivity(other, notes).exchange(start + n);
  }
  await new SharedActivity(activity, notes).exchange(start + 200);
  assert.ok(activity.series("pulls").sum <= 64, "some nodes are forgotten");
  assert.ok((notes.notes.get("activity-of-nodes")?.length ?? 0) < 1_000_000);
});
