// Hostile clients against the real server in 512 MB, with another client working: the process survives, its memory
// stays bounded, the other client is served, nothing is granted and nothing that was acknowledged is lost.
// GANTRY_ATTACK_SECONDS sets how long each attack lasts. GANTRY_ATTACK_SLACK multiplies the longest allowed wait, for
// machines that do other work meanwhile: a server that stalls for seconds still fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { attacks } from "../../bench/attacks/all.js";
import { attackFresh } from "../../bench/attacks/measure.js";
import { cannotConfine } from "../../bench/confinement.js";

const seconds = Number(process.env.GANTRY_ATTACK_SECONDS ?? 10);
const slack = Number(process.env.GANTRY_ATTACK_SLACK ?? 1);
const peakBytesMax = 400_000_000;
/** Other work on the machine delays a response occasionally; an attack's effect occurs every time. */
const attempts = 3;

/**
 * Whether the other client was refused a connection. That may happen to a client that opens several while the server is short of
 * time to read the kernel's table of connections (docs/decisions/0032).
 */
function isRefusal(error: unknown): boolean {
  return /the other client failed: .*ECONNRESET/.test(String(error));
}

for (const attack of attacks) {
  test(`${attack.name}: ${attack.what}`, { skip: cannotConfine() }, async (context) => {
    for (let attempt = 1; ; attempt++) {
      const attacked = await attackFresh("gantry", { subject: "gantry" }, attack, seconds).catch(
        (error: unknown) => {
          if (attempt === attempts || !isRefusal(error)) throw error;
          context.diagnostic(String(error));
        },
      );
      if (attacked === undefined) {
        assert.ok(attempt < attempts, "Gantry is always installed");
        continue;
      }
      const { longestMilliseconds, longest, longestSyncMilliseconds, p50Milliseconds, requests, peakBytes } =
        attacked;
      context.diagnostic(
        `longest wait ${longestMilliseconds.toFixed(1)} ms (${longest}), median ${p50Milliseconds.toFixed(1)} ms, ` +
          `${requests} requests, longest sync beside it ${longestSyncMilliseconds.toFixed(1)} ms, peak ${(peakBytes / 1e6).toFixed(0)} MB`,
      );
      assert.ok(peakBytes < peakBytesMax, `the server used ${peakBytes} bytes of memory`);
      if (longestMilliseconds < attack.waitMillisecondsMax * slack) return;
      assert.ok(
        attempt < attempts,
        `another client waited ${longestMilliseconds.toFixed(1)} ms for ${longest} in the best of ${attempts} attempts`,
      );
    }
  });
}
