// Unfinished responses keep a bounded amount of memory, in total and for each client, and shared buffers count once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../../src/http/outbox.js";

const mebibyte = 1024 * 1024;

test("a buffer that many responses send counts once, until the last of them is over", () => {
  const outbox = new Outbox();
  const shared = Buffer.allocUnsafeSlow(mebibyte);
  const releases = Array.from({ length: 1000 }, (_, client) =>
    outbox.hold(`client ${client}`, [shared.subarray(client), Buffer.allocUnsafeSlow(10)]),
  );
  assert.equal(outbox.heldBytes, mebibyte + 10_000);
  const last = releases.pop();
  for (const release of releases) release?.();
  assert.equal(outbox.heldBytes, mebibyte + 10);
  last?.();
  assert.equal(outbox.heldBytes, 0);
});

test("one client gets half of the memory, and a refused response takes none", () => {
  const outbox = new Outbox();
  const hold = (client: string, mebibytes: number) =>
    outbox.hold(client, [Buffer.allocUnsafeSlow(mebibytes * mebibyte)]);
  const release = hold("one", 30);
  assert.equal(hold("one", 3), undefined);
  assert.ok(hold("two", 32));
  assert.equal(hold("three", 3), undefined);
  assert.equal(outbox.heldBytes, 62 * mebibyte);
  release?.();
  assert.ok(hold("one", 32));
});
