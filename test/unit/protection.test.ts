// Leases and journals: what the collector must leave alone, for how long, and what happens when there are
// more leases than are kept.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { parseDigest } from "../../src/domain/digest.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { type ObjectKey, Protection } from "../../src/gc/protection.js";

const name = parseRepositoryName("a/b");

function digestNumber(number: number) {
  return parseDigest(`sha256:${number.toString(16).padStart(64, "0")}`);
}

function keyNumber(number: number): ObjectKey {
  return `${name}@${digestNumber(number)}`;
}

function atTime(work: (advance: (seconds: number) => void) => void): void {
  mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  try {
    work((seconds) => mock.timers.tick(seconds * 1000));
  } finally {
    mock.timers.reset();
  }
}

test("a lease protects one object in one repository until it ends", () => {
  atTime((advance) => {
    const protection = new Protection({ leaseSeconds: 10 });
    protection.grant(keyNumber(1));
    advance(9);
    assert.ok(protection.protects(keyNumber(1)));
    assert.ok(!protection.protects(keyNumber(2)));
    assert.ok(!protection.protects(`${parseRepositoryName("other")}@${digestNumber(1)}`));
    advance(2);
    assert.ok(!protection.protects(keyNumber(1)));
  });
});

test("a lease is renewed before a quarter of it is over", () => {
  atTime((advance) => {
    const protection = new Protection({ leaseSeconds: 100 });
    protection.renew(keyNumber(1));
    advance(20);
    protection.renew(keyNumber(1));
    advance(10);
    protection.renew(keyNumber(1));
    advance(99);
    assert.ok(protection.protects(keyNumber(1)));
    advance(2);
    assert.ok(!protection.protects(keyNumber(1)));
  });
});

test("a lease that is taken back leaves one that was granted meanwhile", () => {
  const protection = new Protection();
  const first = protection.grant(keyNumber(1));
  const second = protection.grant(keyNumber(1));
  protection.retract(keyNumber(1), first);
  assert.ok(protection.protects(keyNumber(1)));
  protection.retract(keyNumber(1), second);
  assert.ok(!protection.protects(keyNumber(1)));
});

test("where there are too many leases, everything is protected until the dropped ones would have ended", () => {
  atTime((advance) => {
    const protection = new Protection({ leaseSeconds: 10, leasesMax: 3 });
    for (let number = 0; number < 3; number++) protection.grant(keyNumber(number));
    assert.ok(!protection.protects(keyNumber(99)));
    advance(5);
    protection.grant(keyNumber(3));
    assert.ok(protection.protects(keyNumber(99)), "the oldest was dropped: nobody knows what it was of");
    advance(6);
    assert.ok(!protection.protects(keyNumber(99)));
    assert.ok(protection.protects(keyNumber(3)));
  });
});

test("leases are the same after they were saved and restored", () => {
  atTime((advance) => {
    const before = new Protection({ leaseSeconds: 10 });
    before.grant(keyNumber(1));
    advance(8);
    before.grant(keyNumber(2));
    const after = new Protection({ leaseSeconds: 10 });
    after.restore(JSON.parse(JSON.stringify(before.save())));
    assert.ok(after.protects(keyNumber(1)) && after.protects(keyNumber(2)) && !after.protects(keyNumber(3)));
    advance(3);
    assert.ok(!after.protects(keyNumber(1)) && after.protects(keyNumber(2)));
  });
});

test("a journal has what is noted of its repository while it is kept, and nothing else", async () => {
  const protection = new Protection();
  protection.note(name, [digestNumber(1)]);
  await protection.withJournal(name, async (noted) => {
    protection.note(name, [digestNumber(2), digestNumber(3)]);
    protection.note(parseRepositoryName("other"), [digestNumber(4)]);
    assert.deepEqual([...noted], [digestNumber(2), digestNumber(3)]);
    await assert.rejects(
      protection.withJournal(name, async () => {}),
      /once at a time/,
    );
  });
  await protection.withJournal(name, async (noted) => assert.equal(noted.size, 0));
});
