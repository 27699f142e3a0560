import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

/** Looks until `look` returns true. Fails if that takes too long. */
export async function until(
  what: string,
  look: () => boolean | Promise<boolean>,
  milliseconds = 20_000,
): Promise<void> {
  const end = Date.now() + milliseconds;
  while (!(await look())) {
    assert.ok(Date.now() < end, `not in time: ${what}`);
    await pause(50);
  }
}
