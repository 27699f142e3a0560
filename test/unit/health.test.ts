// When a server becomes unready, and when it recovers.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Health, type HealthOptions, type Part } from "../../src/registry/health.js";

const gibibyte = 1024 ** 3;

/** A registry with parts that can be made to fail. */
function registry(options: Partial<HealthOptions> = {}, readOnly = false) {
  const broken = new Set<Part | "hung">();
  const changes: string[] = [];
  const fails = (part: Part) => (broken.has(part) ? Promise.reject(new Error("broken")) : Promise.resolve());
  const health = new Health(
    {
      storage: {
        readOnly,
        volume: {
          probe: () => fails("storage"),
          space: async () => ({
            totalBytes: 2 * gibibyte,
            freeBytes: broken.has("space") ? gibibyte - 1 : gibibyte,
          }),
        },
        workers: { answer: () => (broken.has("hung") ? new Promise(() => {}) : fails("workers")) },
      },
    },
    {
      enabled: true,
      threshold: 3,
      freeBytesMin: gibibyte,
      secondsMax: 0.05,
      onChange: (part, failure) => void changes.push(`${part} ${failure === undefined ? "well" : "failing"}`),
      ...options,
    },
  );
  return { health, broken, changes };
}

for (const part of ["storage", "space", "workers"] as const) {
  test(`${part}: fails at the third consecutive failure, is reported once, and recovers at the next success`, async () => {
    const { health, broken, changes } = registry();
    await health.look();
    assert.equal(health.ready, true);
    broken.add(part);
    await health.look();
    await health.look();
    assert.equal(health.ready, true, "two failures may be chance");
    await health.look();
    await health.look();
    assert.equal(health.ready, false);
    assert.deepEqual(Object.keys(health.failures ?? {}), [part]);
    broken.clear();
    await health.look();
    assert.equal(health.ready, true);
    assert.deepEqual(changes, [`${part} failing`, `${part} well`]);
  });

  test(`${part}: fails at once if it was never healthy`, async () => {
    const { health, broken } = registry();
    broken.add(part);
    await health.look();
    assert.equal(health.ready, false);
  });
}

test("failures that are not consecutive do not count", async () => {
  const { health, broken } = registry({ threshold: 2 });
  for (let round = 0; round < 4; round++) {
    broken.clear();
    await health.look();
    broken.add("storage");
    await health.look();
  }
  assert.equal(health.ready, true);
});

test("workers that do not respond in time fail", async () => {
  const { health, broken } = registry();
  broken.add("hung");
  await health.look();
  assert.deepEqual(health.failures, { workers: "the workers do not answer" });
});

test("a read-only storage need not accept writes", async () => {
  const { health, broken } = registry({}, true);
  broken.add("storage").add("space");
  await health.look();
  assert.equal(health.ready, true);
});

test("the server is not ready before the first check, and not after a stop", async () => {
  const { health } = registry();
  assert.equal(health.ready, false);
  await health.look();
  health.stop();
  assert.equal(health.ready, false);
});

test("without checks, everything counts as healthy", () => {
  assert.equal(registry({ enabled: false }).health.ready, true);
});

test("whether the storage answers is known from the first failure on, and before the server counts as not ready", async () => {
  const { health, broken } = registry();
  await health.look();
  assert.equal(health.storageAnswers, true);
  broken.add("storage");
  await health.look();
  assert.equal(health.storageAnswers, false);
  assert.equal(health.ready, true);
  broken.clear();
  await health.look();
  assert.equal(health.storageAnswers, true);
});
