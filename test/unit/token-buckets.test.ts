// Rates by key: neither more nor less than the burst and the rate allow.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TokenBuckets } from "../../src/lib/token-buckets.js";

test("a key gets its burst at once and then its rate, and other keys have theirs", () => {
  const buckets = new TokenBuckets({ perSecond: 2, burst: 3, keysMax: 10 });
  assert.deepEqual(
    [0, 0, 0, 0].map((now) => buckets.take("a", now)),
    [true, true, true, false],
  );
  assert.equal(buckets.secondsUntilOne("a", 0), 1);
  assert.equal(buckets.take("b", 0), true);
  assert.equal(buckets.take("a", 499), false);
  assert.equal(buckets.take("a", 500), true);
  assert.equal(buckets.take("a", 501), false);
});

test("in any period no more is taken than the burst and the refill", () => {
  const options = { perSecond: 5, burst: 7, keysMax: 10 };
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 400 }), { maxLength: 200 }), (pauses) => {
      const buckets = new TokenBuckets(options);
      let now = 0;
      let taken = 0;
      for (const pause of pauses) {
        now += pause;
        if (buckets.take("k", now)) taken++;
        assert.ok(taken <= options.burst + (now / 1000) * options.perSecond + 1e-6);
        if (buckets.secondsUntilOne("k", now) === 0)
          assert.equal(buckets.take("k", now) && ++taken > 0, true);
      }
    }),
  );
});
