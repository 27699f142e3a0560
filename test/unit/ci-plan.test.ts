// The plan of the benchmark's CI day: reproducible from its seed, and feasible.

import assert from "node:assert/strict";
import { test } from "node:test";
import { planCiDay } from "../../bench/driver/ci-plan.js";

const shape = { pushes: 200, pulls: 400, repositories: 20, baseImages: 8, atOnce: 32 };

test("the same seed gives the same plan, another seed another one", () => {
  assert.deepEqual(planCiDay("a", shape), planCiDay("a", shape));
  assert.notDeepEqual(planCiDay("a", shape), planCiDay("b", shape));
});

test("every image is pushed once, and the number of pulls is as requested", () => {
  const { jobs, images } = planCiDay("a", shape);
  const pushes = jobs.filter(({ kind }) => kind === "push");
  assert.deepEqual(
    pushes.map(({ image }) => image),
    images.map((_, image) => image),
  );
  assert.equal(images.length, shape.pushes);
  assert.equal(jobs.length - pushes.length, shape.pulls);
});

test("a pull comes so long after its push that no concurrent job waits for another", () => {
  const { jobs } = planCiDay("a", shape);
  const pushedAt = new Map<number, number>();
  for (const [place, { kind, image }] of jobs.entries()) {
    if (kind === "push") pushedAt.set(image, place);
    else assert.ok(place - (pushedAt.get(image) ?? place) > shape.atOnce, `job ${place} comes too early`);
  }
});

test("a day shorter than its concurrency still pulls only images pushed before", () => {
  const { jobs } = planCiDay("a", { ...shape, pushes: 3, pulls: 5 });
  assert.equal(jobs.length, 8);
  assert.ok(jobs.every(({ image }) => image < 3));
  assert.ok(jobs.findIndex(({ kind }) => kind === "pull") > jobs.findIndex(({ image }) => image === 0));
});

test("busy repositories and popular bases come first", () => {
  const { images } = planCiDay("a", shape);
  const shareOfFirst = (ranks: readonly number[]) => ranks.filter((rank) => rank === 0).length / ranks.length;
  // 1/H(20) and 1/H(8), where H is the harmonic number: 28 % and 37 %.
  assert.ok(Math.abs(shareOfFirst(images.map(({ repository }) => repository)) - 0.28) < 0.08);
  assert.ok(Math.abs(shareOfFirst(images.map(({ base }) => base)) - 0.37) < 0.08);
});
