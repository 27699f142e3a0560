// Periodic saving: a failure to save one item does not affect others, and is retried.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Robots } from "../../src/auth/robots.js";
import { MemoryCluster } from "../../src/cluster/memory/open.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { isRobotName, type RobotName } from "../../src/domain/robot.js";
import { Pulls } from "../../src/gc/pulls.js";
import { everySeconds } from "../../src/lib/every-seconds.js";
import { MemoryData } from "../../src/storage/memory/memory-data.js";
import type { RobotStore, TagStore } from "../../src/storage/storage.js";
import { memoryStorage } from "../support/memory-storage.js";

test("pull times are saved even if one of them cannot be, which is retried", async () => {
  const pulls = new Pulls();
  const saved: string[] = [];
  let failing = true;
  const setPulledAt: TagStore["setPulledAt"] = async (_name, tag) => {
    if (tag === "one" && failing) throw new Error("no");
    saved.push(tag);
  };
  const tags: Pick<TagStore, "setPulledAt"> = { setPulledAt };
  for (const tag of ["one", "two", "three"]) pulls.note(parseRepositoryName("a"), parseTag(tag));
  await assert.rejects(pulls.save(tags as TagStore), { message: "no" });
  assert.deepEqual(saved.toSorted(), ["three", "two"]);
  failing = false;
  await pulls.save(tags as TagStore);
  assert.deepEqual(saved.toSorted(), ["one", "three", "two"], "and saved times are not saved again");
});

test("robots' times of use are saved even if one of them cannot be", async () => {
  const data = new MemoryData();
  const { robots: store } = memoryStorage(data);
  const usedAt = (name: string) => data.robots.get(name as RobotName)?.usedAt;
  let failing = "";
  const put: RobotStore["put"] = async (robot) => {
    if (robot.name === failing) throw new Error("no");
    await store.put(robot);
  };
  const robots = await Robots.load(
    { ...store, put },
    new MemoryCluster({ leaseSeconds: 3600 }).node().changes,
  );
  for (const name of ["first", "second"]) {
    assert.ok(isRobotName(name));
    const made = await robots.create(name, [], undefined);
    assert.ok(made !== undefined && robots.verify(`robot-${name}`, made.key));
  }
  failing = "first";
  await assert.rejects(robots.saveUses(), { message: "no" });
  assert.equal(usedAt("first"), undefined);
  assert.ok(usedAt("second") !== undefined);
  failing = "";
  await robots.saveUses();
  assert.ok(usedAt("first") !== undefined);
});

test("failing periodic work is reported and repeated, and a stop waits for it", async () => {
  const told: unknown[] = [];
  let runs = 0;
  const repeating = everySeconds(
    0.01,
    async () => {
      runs++;
      throw new Error("no");
    },
    (error) => told.push(error),
  );
  while (runs < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  await repeating.stop();
  assert.equal(told.length, runs);
  const before = runs;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(runs, before);
});
