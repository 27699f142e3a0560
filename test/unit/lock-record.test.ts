// Which nodes may share a store, and what the others are told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { canShare, inUseBy, type LockRecord } from "../../src/storage/s3/lock-record.js";

function node(host: string, engine?: string): LockRecord {
  const process = { host, pid: 7, space: "", started: "" };
  const mode = engine === undefined ? "single" : "cluster";
  return { ...process, mode, owner: `${host} ${engine}`, ...(engine !== undefined && { engine }) };
}

for (const [what, one, other, told] of [
  ["the same engine", node("a", "valkey:6379/0"), node("b", "valkey:6379/0"), undefined],
  ["an engine of the same machine", node("a", "127.0.0.1:6379/0"), node("a", "127.0.0.1:6379/0"), undefined],
  [
    "another spelling",
    node("a", "valkey:6379/0"),
    node("b", "10.0.0.5:6379/0"),
    /another engine: valkey:6379\/0 instead of 10\.0\.0\.5:6379\/0; .*written exactly as at the other nodes/,
  ],
  ["another database", node("a", "valkey:6379/0"), node("b", "valkey:6379/1"), /redis\.addrs and redis\.db/],
  [
    "engines of two machines under one address",
    node("a", "127.0.0.1:6379/0"),
    node("b", "127.0.0.1:6379/0"),
    /the engine 127\.0\.0\.1:6379\/0, which is another server on each machine/,
  ],
  [
    "localhost",
    node("a", "localhost:6379/0"),
    node("b", "localhost:6379/0"),
    /another server on each machine/,
  ],
  ["no engine", node("a", "valkey:6379/0"), node("b"), /to join it, set redis\.addrs/],
] as const)
  test(`with ${what}, a second node ${told === undefined ? "shares the store" : "is refused"}`, () => {
    assert.equal(canShare(one, other), told === undefined);
    assert.equal(canShare(other, one), told === undefined);
    if (told !== undefined) assert.match(inUseBy({ etag: "1", ageSeconds: 3, record: one }, other), told);
  });
