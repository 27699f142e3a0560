// The log of requests that failed by the server's fault.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { RegistryError } from "../../src/domain/errors.js";
import { requestFailures } from "../../src/server/request-failures.js";

test("a full storage is logged once in a minute, and other failures each time", () => {
  const levels: unknown[] = [];
  const write = (line: string) => levels.push((JSON.parse(line) as { level: unknown }).level);
  let now = 0;
  const onFailure = requestFailures(
    pino({ formatters: { level: (label) => ({ level: label }) } }, { write }),
    () => now,
  );
  const full = new RegistryError("storage-full", "the storage is full");
  for (const at of [0, 1, 59_999, 60_000, 60_001, 119_999]) {
    now = at;
    onFailure(full, undefined);
  }
  assert.deepEqual(levels, ["warn", "warn"]);
  for (let time = 0; time < 2; time++) onFailure(new RegistryError("storage-failed", "it failed"), undefined);
  assert.deepEqual(levels, ["warn", "warn", "error", "error"]);
});
