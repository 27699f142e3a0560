// Counting stored content without a walk: changes add up, and a walk counts again whatever changes meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Digest, parseDigest } from "../../src/domain/digest.js";
import { ContentTally } from "../../src/storage/filesystem/content-tally.js";

const digests: readonly Digest[] = Array.from({ length: 8 }, (_, index) =>
  parseDigest(`sha256:${String(index).repeat(64)}`),
);

test("the total is unknown before the first walk, then follows changes", () => {
  const tally = new ContentTally(undefined);
  const [one] = digests;
  assert.ok(one !== undefined);
  tally.changed(one, 1, 100);
  assert.equal(tally.total, undefined);
  tally.total = { contents: 1, bytes: 100 };
  tally.changed(one, 1, 50);
  tally.changed(one, -1, -100);
  assert.deepEqual(tally.total, { contents: 1, bytes: 50 });
});

test("an incomplete walk changes nothing", () => {
  const tally = new ContentTally({ contents: 3, bytes: 7 });
  {
    using walk = tally.walk();
    for (const digest of digests) walk.pass(digest, 1);
  }
  assert.deepEqual(tally.total, { contents: 3, bytes: 7 });
});

test("a complete walk counts the final state, whatever changes before and after its position", () => {
  const toggles = fc.array(fc.tuple(fc.nat(digests.length), fc.nat(digests.length - 1)), { maxLength: 40 });
  fc.assert(
    fc.property(toggles, (changes) => {
      const stored = new Set(digests.slice(0, 4));
      const tally = new ContentTally(undefined);
      const size = (digest: Digest) => digests.indexOf(digest) + 1;
      const toggle = (digest: Digest) => {
        const sign = stored.delete(digest) ? -1 : 1;
        if (sign === 1) stored.add(digest);
        tally.changed(digest, sign, sign * size(digest));
      };
      using walk = tally.walk();
      for (const [step, digest] of [...digests, undefined].entries()) {
        for (const [when, which] of changes) {
          const changed = digests[which];
          if (when === step && changed !== undefined) toggle(changed);
        }
        if (digest === undefined) continue;
        if (stored.has(digest)) walk.pass(digest, size(digest));
        else walk.skip(digest);
      }
      walk.end();
      const bytes = [...stored].reduce((sum, digest) => sum + size(digest), 0);
      assert.deepEqual(tally.total, { contents: stored.size, bytes });
    }),
  );
});

test("a walk is notified of changes only among the contents it examines", () => {
  const [passed, first, last, behind] = digests;
  assert.ok(passed && first && last && behind);
  for (const [changed, told] of [
    [passed, false],
    [first, true],
    [last, true],
    [behind, false],
  ] as const) {
    const tally = new ContentTally(undefined);
    using walk = tally.walk();
    walk.pass(passed, 1);
    const watch = walk.watch([first, last]);
    tally.changed(changed, 1, 1);
    assert.equal(watch.changed, told);
    assert.equal(walk.watch([first, last]).changed, false, "and looks again");
  }
});
