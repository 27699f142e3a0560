// Generations and checkpoints of the journal: what a checkpoint waits for, what counts afterwards, and what happens if the disk
// fails.

import assert from "node:assert/strict";
import { access, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Journal } from "../../src/storage/filesystem/journal/journal.js";
import { MarkFile } from "../../src/storage/filesystem/journal/mark.js";
import type { JournalOperation } from "../../src/storage/filesystem/journal/record.js";
import { SharedState, slotsPerProcess } from "../../src/storage/filesystem/journal/shared.js";
import type { SyncAll } from "../../src/storage/filesystem/journal/sync-all.js";
import { Layout } from "../../src/storage/filesystem/layout.js";
import { unlocked } from "../../src/storage/filesystem/lock.js";
import type { StorePeers } from "../../src/storage/filesystem/peers.js";
import { Syncs } from "../../src/storage/filesystem/syncs.js";
import { FileVolume } from "../../src/storage/filesystem/volume.js";
import type { WorkerPool } from "../../src/storage/filesystem/worker-pool.js";
import type { StepsRecord } from "../../src/storage/filesystem/worker-protocol.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-checkpoints-"));
after(() => rm(folder, { recursive: true, force: true }));
let stores = 0;

/** A journal with workers and a disk of the test's. */
async function open({
  write = async () => {},
  sync = async () => {},
  isFirst = true,
}: { isFirst?: boolean } & Partial<Record<"write" | "sync", () => Promise<void>>> = {}) {
  const layout = new Layout(join(folder, String(stores++)));
  await mkdir(layout.journalRoot, { recursive: true });
  const path = join(layout.journalRoot, "mark");
  const mark = await MarkFile.open(path, true);
  assert.ok(mark !== undefined);
  const state = new SharedState();
  state.set("generation", 1);
  state.secret = 5n;
  const records: JournalOperation[] = [];
  const running = new Set<number>();
  const workers = {
    isRunning: (threadId: number) => running.has(threadId),
    fileSteps: async (_: unknown, { operations }: StepsRecord) => {
      await write();
      records.push(...operations);
    },
  } as unknown as WorkerPool;
  const syncAll = { run: sync, close: async () => {} } as unknown as SyncAll;
  const answers = new Map<string, (payload: unknown) => unknown>();
  const peers = {
    shareClock: () => {},
    tellFirst: () => {},
    answer: (service: string, handler: (payload: unknown) => unknown) => void answers.set(service, handler),
  } as unknown as StorePeers;
  if (!isFirst) await mark.close();
  const journal = new Journal({
    ...{ layout, state, workers },
    ...(isFirst ? { own: { mark, syncAll } } : { peers }),
    checkpointSeconds: 1000,
    onError: () => {},
  });
  /** Asks it as the first process does. */
  const ask = async (service: string, payload: unknown) => answers.get(service)?.(payload);
  return { journal, layout, state, records, running, path, ask };
}

test("a checkpoint waits for operations that began before it, and not for later ones", async () => {
  const order: string[] = [];
  const { journal, state } = await open({ sync: async () => void order.push("sync") });
  let end = () => {};
  const early = journal.during(["early"], async (generation) => {
    assert.equal(generation, 1);
    await new Promise<void>((resolve) => {
      end = resolve;
    });
    order.push("early");
  });
  const checkpoint = journal.checkpoint();
  await turn();
  const late = journal.during(["late"], async (generation) => {
    assert.equal(generation, 2);
    order.push("late");
  });
  await late;
  assert.equal(state.get("mark"), 0);
  end();
  await Promise.all([early, checkpoint]);
  assert.deepEqual(order, ["late", "early", "sync"]);
  assert.equal(state.get("mark"), 2);
  assert.deepEqual([journal.isLive("early"), journal.isLive("late")], [false, true]);
  await journal.close();
});

test("a change without a record makes earlier records void, if there are any", async () => {
  const { journal, layout, records } = await open();
  const path = `${layout.root}/blobs/a`;
  await journal.changed(path);
  assert.deepEqual(records, []);
  await journal.during([path], async () => {});
  await journal.changed(path);
  assert.deepEqual(records, [{ do: "void", path: "blobs/a" }]);
  await journal.checkpoint();
  await journal.changed(path);
  assert.equal(records.length, 1, "after a checkpoint, no record counts");
  await journal.close();
});

test("a removal makes the record of a push void that was running during an earlier change", async () => {
  const { journal, layout, records } = await open();
  const path = `${layout.root}/blobs/a`;
  // A mount ends while a push of the same blob has not written its record.
  await journal.during([path], () => journal.changed(path));
  await journal.removed(path);
  assert.equal(records.length, 2);
  await journal.close();
});

test("if a full disk has no room for a record, a checkpoint makes it unnecessary", async () => {
  let syncs = 0;
  const full = Object.assign(new Error("full"), { code: "ENOSPC" });
  const { journal, layout } = await open({
    write: () => Promise.reject(full),
    sync: async () => void syncs++,
  });
  const path = `${layout.root}/blobs/a`;
  await journal.during([path], async () => {});
  await journal.changed(path);
  assert.deepEqual([syncs, journal.isLive(path)], [1, false]);
  await journal.close();
});

test("after a failed sync the journal is not used any more, and its records count at the next start", async () => {
  const { journal, layout, path } = await open({ sync: () => Promise.reject(new Error("lost")) });
  await journal.during(["a"], async () => {});
  await assert.rejects(journal.checkpoint(), /lost/);
  await assert.rejects(
    journal.during(["b"], async () => {}),
    { code: "EIO" },
  );
  await access(join(layout.journalRoot, "broken"));
  const volume = new FileVolume(layout, new Syncs("full"), unlocked(true), journal);
  await assert.rejects(volume.probe(), /restart the server/);
  await journal.close();
  const mark = await MarkFile.open(path, false);
  assert.equal(mark?.mark, undefined);
  await mark?.close();
});

test("a checkpoint that waits for one that fails does not count its changes as synced", async () => {
  let syncs = 0;
  const sync = async () => {
    // The kernel reports a failed write once.
    if (syncs++ === 0) throw new Error("lost");
  };
  const { journal, state } = await open({ sync });
  await journal.during(["a"], async () => {});
  const [first, second] = await Promise.allSettled([journal.checkpoint(), journal.checkpoint()]);
  assert.deepEqual([first.status, second.status], ["rejected", "rejected"]);
  assert.equal(state.get("mark"), 0);
  await journal.close();
});

for (const isRecorded of [true, false])
  test(`steps that fail ${isRecorded ? "after" : "before"} their record are ${isRecorded ? "" : "not "}followed by a checkpoint`, async () => {
    const full = Object.assign(new Error("full"), { code: "ENOSPC", isRecorded });
    const { journal, state } = await open({ write: () => Promise.reject(full) });
    await assert.rejects(journal.do(["a"], [], { operations: [], bytes: [] }), full);
    assert.equal(state.get("mark"), isRecorded ? 2 : 0);
    await journal.close();
  });

test("a checkpoint removes the segments of workers that have ended, and no others", async () => {
  const { journal, layout, state, running } = await open();
  for (const threadId of [7, 8]) running.add(threadId);
  for (const threadId of [7, 8]) state.claimSlot(threadId);
  for (const name of ["0-a", "0-b", "1-a"]) await writeFile(join(layout.journalRoot, name), "records");
  await journal.checkpoint();
  assert.deepEqual((await readdir(layout.journalRoot)).sort(), ["0-a", "0-b", "1-a", "mark"]);
  running.delete(7);
  await journal.checkpoint();
  assert.deepEqual((await readdir(layout.journalRoot)).sort(), ["1-a", "mark"]);
  await journal.close();
});

test("another process removes those of its own workers, when the first one has moved the mark", async () => {
  const { journal, layout, state, running, ask } = await open({ isFirst: false });
  state.set("firstSlot", slotsPerProcess);
  for (const threadId of [7, 8]) running.add(threadId);
  for (const threadId of [7, 8]) state.claimSlot(threadId);
  const [lost, own] = [`${slotsPerProcess}-a`, `${slotsPerProcess + 1}-a`];
  for (const name of ["0-a", "1-a", lost, own]) await writeFile(join(layout.journalRoot, name), "records");
  running.delete(7);
  await ask("end generation", 2);
  assert.ok((await readdir(layout.journalRoot)).includes(lost));
  await ask("journal done", 2);
  assert.deepEqual((await readdir(layout.journalRoot)).sort(), ["0-a", "1-a", own, "mark"].sort());
  await journal.close();
});

test("a slot is claimed again when its segments are removed, and none beyond those of the process", async () => {
  const { journal, state, running } = await open();
  for (let thread = 1; thread <= slotsPerProcess; thread++) assert.equal(state.claimSlot(thread), thread - 1);
  assert.throws(() => state.claimSlot(5000), /too many workers/);
  for (let thread = 1; thread <= slotsPerProcess; thread++) if (thread !== 10) running.add(thread);
  await journal.checkpoint();
  assert.equal(state.claimSlot(5000), 9);
  await journal.close();
});

test("a closed journal is marked as such", async () => {
  const { journal, path } = await open();
  await journal.during(["a"], async () => {});
  await journal.close();
  const mark = await MarkFile.open(path, true);
  assert.deepEqual(mark?.mark, { generation: 3, sequence: 0, isClosed: true, secret: 5n });
  const next = { generation: 4, sequence: 9, isClosed: false, secret: 2n ** 64n - 1n };
  await mark?.write(next);
  await mark?.close();
  const again = await MarkFile.open(path, false);
  assert.deepEqual(again?.mark, next);
  await again?.close();
});
