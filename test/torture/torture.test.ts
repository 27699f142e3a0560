// The torture at a size for CI. Its seed is new each time and is in the report; `npm run torture -- --help` describes the
// duration of a run and the other options.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import { type Disk, makeFolder, makeLoopDisk } from "./disk.js";
import { cutPower } from "./power.js";
import { torture } from "./torture.js";

function newSeed(context: TestContext): string {
  const seed = process.env.TORTURE_SEED ?? randomBytes(4).toString("hex");
  context.diagnostic(`seed ${seed}`);
  return seed;
}

/** With fewer acknowledgements the clients have not done their work. */
const acknowledgedMin = 50;

interface Killed {
  readonly kills: number;
  readonly makeDisk: () => Promise<Disk>;
  readonly processes?: number;
}

async function killed(context: TestContext, { kills, makeDisk, processes = 1 }: Killed): Promise<void> {
  const seed = newSeed(context);
  const report = await torture({ kills, clients: 12, processes, seed, makeDisk, onProgress: () => {} });
  assert.deepEqual(report.violations, [], `seed ${seed}, the store is left in ${report.store}`);
  assert.equal(report.kills, kills);
  const least = processes > 1 ? acknowledgedMin / 5 : acknowledgedMin;
  assert.ok(report.acknowledged >= least, `only ${report.acknowledged} were acknowledged`);
}

test("acknowledged content survives kills at any moment, and nothing else is left over", (context) =>
  killed(context, { kills: 20, makeDisk: makeFolder }));

test("acknowledged content survives kills of one of three processes, and of all", (context) =>
  killed(context, { kills: 4, makeDisk: makeFolder, processes: 3 }));

test("acknowledged content survives power failures of an ext4 file system", async (context) => {
  try {
    await (await makeLoopDisk()).release(false);
  } catch (error) {
    return context.skip(`this machine cannot mount a file system: ${String(error)}`);
  }
  await killed(context, { kills: 8, makeDisk: makeLoopDisk });
});

test("acknowledged content was synced, file by file and folder by folder", async (context) => {
  if (spawnSync("strace", ["-V"]).status !== 0) return context.skip("there is no strace");
  const seed = newSeed(context);
  const options = { seed, clients: 6, cuts: 6, milliseconds: 4_000, onProgress: () => {} };
  const report = await cutPower(options);
  assert.deepEqual(report.violations, [], `seed ${seed}, the remains are in ${report.folder}`);
  assert.equal(report.cuts, options.cuts);
  assert.ok(report.acknowledged >= acknowledgedMin, `only ${report.acknowledged} were acknowledged`);
});
