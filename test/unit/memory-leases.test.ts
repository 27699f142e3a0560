// Leases and notes: what the collector must keep, for how long, and what happens with too many leases.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import fc from "fast-check";
import type { ObjectKey } from "../../src/cluster/cluster.js";
import { LeaseTable, leaseHash } from "../../src/cluster/memory/lease-table.js";
import { MemoryLeases } from "../../src/cluster/memory/leases.js";
import { decodeLeases, encodeLeases } from "../../src/cluster/memory/saved-leases.js";
import { parseDigest } from "../../src/domain/digest.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";

const name = parseRepositoryName("a/b");

function digestNumber(number: number) {
  return parseDigest(`sha256:${number.toString(16).padStart(64, "0")}`);
}

function keyNumber(number: number): ObjectKey {
  return `${name}@${digestNumber(number)}`;
}

type Advance = (seconds: number) => void;

/** Runs `work` with a clock that stands; `step` sets the system's time only. */
function atTime(work: (advance: Advance, step: Advance) => void): void {
  const begin = Date.now();
  let [passed, stepped] = [0, 0];
  const clocks = [
    mock.method(performance, "now", () => begin - performance.timeOrigin + passed),
    mock.method(Date, "now", () => begin + passed + stepped),
  ];
  try {
    work(
      (seconds) => {
        passed += seconds * 1000;
      },
      (seconds) => {
        stepped += seconds * 1000;
      },
    );
  } finally {
    for (const { mock: clock } of clocks) clock.restore();
  }
}

test("a lease protects one object in one repository until it ends", () => {
  atTime((advance) => {
    const leases = new MemoryLeases({ leaseSeconds: 10 });
    leases.grant(keyNumber(1));
    advance(9);
    assert.ok(leases.isLeased(keyNumber(1)));
    assert.ok(!leases.isLeased(keyNumber(2)));
    assert.ok(!leases.isLeased(`${parseRepositoryName("other")}@${digestNumber(1)}`));
    advance(2);
    assert.ok(!leases.isLeased(keyNumber(1)));
  });
});

test("setting the system's time ends no lease, and leases that are saved then last as long as before", () => {
  for (const hours of [7, -7, 24 * 365])
    atTime((advance, step) => {
      const leases = new MemoryLeases({ leaseSeconds: 100 });
      leases.grant(keyNumber(1));
      step(hours * 3600);
      assert.ok(leases.isLeased(keyNumber(1)));
      const later = new MemoryLeases({ leaseSeconds: 100 });
      later.restore(leases.save());
      advance(99);
      assert.ok(leases.isLeased(keyNumber(1)) && later.isLeased(keyNumber(1)));
      advance(3);
      assert.ok(!leases.isLeased(keyNumber(1)) && !later.isLeased(keyNumber(1)));
    });
});

test("a pause lasts as long as a lease, although the system's time is set", async () => {
  for (const hours of [7, -7]) {
    let [left, isPaused] = [Promise.resolve(0), false];
    atTime((_, step) => {
      const leases = new MemoryLeases({ leaseSeconds: 100 });
      leases.pause();
      step(hours * 3600);
      const now = Date.now();
      left = leases.pausedUntil().then((until) => until - now);
      isPaused = leases.isLeased(keyNumber(1));
    });
    assert.ok(isPaused);
    assert.ok(Math.abs((await left) - 100_000) <= 2_000);
  }
});

test("a lease is renewed before a quarter of it is over", () => {
  atTime((advance) => {
    const leases = new MemoryLeases({ leaseSeconds: 100 });
    leases.renew(keyNumber(1));
    advance(20);
    leases.renew(keyNumber(1));
    advance(10);
    leases.renew(keyNumber(1));
    advance(99);
    assert.ok(leases.isLeased(keyNumber(1)));
    advance(2);
    assert.ok(!leases.isLeased(keyNumber(1)));
  });
});

test("an object is protected while it is looked for, and has a lease if it was found", async () => {
  const leases = new MemoryLeases({ leaseSeconds: 3600 });
  const key = keyNumber(1);
  const ends: (() => void)[] = [];
  const look = () => new Promise<undefined>((resolve) => ends.push(() => resolve(undefined)));
  const looking = [leases.during(key, look), leases.during(key, look)];
  ends[0]?.();
  await looking[0];
  assert.ok(leases.isLeased(key), "the other lookup is still running");
  ends[1]?.();
  await looking[1];
  assert.ok(!leases.isLeased(key), "it did not exist");
  await assert.rejects(
    leases.during(key, () => Promise.reject(new Error("disk"))),
    /disk/,
  );
  assert.ok(!leases.isLeased(key));
  assert.equal(await leases.during(key, async () => 7), 7);
  assert.ok(leases.isLeased(key));
});

test("with too many leases, everything is protected until the dropped ones would have ended", () => {
  atTime((advance) => {
    const leases = new MemoryLeases({ leaseSeconds: 10, leasesMax: 3 });
    for (let number = 0; number < 3; number++) leases.grant(keyNumber(number));
    assert.ok(!leases.isLeased(keyNumber(99)));
    advance(5);
    leases.grant(keyNumber(3));
    assert.ok(leases.isLeased(keyNumber(99)), "the oldest was dropped, and its object is unknown");
    advance(6);
    assert.ok(!leases.isLeased(keyNumber(99)));
    assert.ok(leases.isLeased(keyNumber(3)));
  });
});

test("leases are the same after saving and restoring", () => {
  atTime((advance) => {
    const before = new MemoryLeases({ leaseSeconds: 10 });
    before.grant(keyNumber(1));
    advance(8);
    before.grant(keyNumber(2));
    const after = new MemoryLeases({ leaseSeconds: 10 });
    const saved = decodeLeases(encodeLeases(before.save()));
    assert.ok(saved !== undefined);
    after.restore(saved);
    assert.ok(after.isLeased(keyNumber(1)) && after.isLeased(keyNumber(2)) && !after.isLeased(keyNumber(3)));
    advance(3);
    assert.ok(!after.isLeased(keyNumber(1)) && after.isLeased(keyNumber(2)));
  });
});

test("notes are only those for the repository, from the beginning of the work on", async () => {
  const leases = new MemoryLeases({ leaseSeconds: 3600 });
  leases.note(name, [digestNumber(1)]);
  await leases.withNotes(name, async (noted) => {
    leases.note(name, [digestNumber(2), digestNumber(3)]);
    leases.note(parseRepositoryName("other"), [digestNumber(4)]);
    assert.deepEqual([...noted], [digestNumber(2), digestNumber(3)]);
    await leases.withNotes(name, async (second) => {
      leases.note(name, [digestNumber(5)]);
      assert.deepEqual([...second], [digestNumber(5)], "no earlier notes");
    });
    assert.ok(noted.has(digestNumber(5)));
  });
  await leases.withNotes(name, async (noted) => assert.equal(noted.size, 0));
});

test("a lease table has the latest end of each hash, whatever is swept, and no others", () => {
  const hashes = fc.oneof(
    fc.nat({ max: 40 }).map((number) => number + 1),
    fc.nat().map((number) => number * 2 ** 21 + 1),
  );
  const steps = fc.array(fc.tuple(hashes, fc.integer({ min: 1, max: 50 }), fc.boolean()), { maxLength: 300 });
  fc.assert(
    fc.property(steps, (all) => {
      const table = new LeaseTable();
      const model = new Map<number, number>();
      let now = 0;
      for (const [hash, end, later] of all) {
        if (later) now += 1;
        table.set(hash, end, now);
        model.set(hash, Math.max(model.get(hash) ?? 0, end));
        if (end % 17 === 0) table.sweep(now);
      }
      for (const [hash, end] of model) {
        if (end > now) assert.equal(table.endOf(hash), end);
      }
      // An ended lease may have been swept and set again with an earlier end: neither protects anything.
      for (const [hash, end] of table.entries()) {
        const latest = model.get(hash);
        assert.ok(latest !== undefined && (end === latest || latest <= now));
      }
    }),
  );
});

test("hashes of keys that differ in one character differ, and have 52 bits", () => {
  const seen = new Set<number>();
  for (let number = 0; number < 50_000; number++) {
    const hash = leaseHash(keyNumber(number));
    assert.ok(Number.isInteger(hash) && hash > 0 && hash < 2 ** 52);
    seen.add(hash);
  }
  assert.equal(seen.size, 50_000);
  assert.notEqual(leaseHash("a/b@sha256:0"), leaseHash("a/c@sha256:0"));
});

for (const [what, damage] of [
  ["cut short", (bytes: Buffer) => bytes.subarray(0, -5)],
  ["empty", () => Buffer.alloc(0)],
  ["something else", () => Buffer.from(JSON.stringify({ allUntil: 0, leases: [] }))],
] as const) {
  test(`saved leases that are ${what} are not accepted`, () => {
    const leases = new MemoryLeases({ leaseSeconds: 3600 });
    leases.grant(keyNumber(1));
    assert.equal(decodeLeases(damage(encodeLeases(leases.save()))), undefined);
  });
}
