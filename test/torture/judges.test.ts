// The judges of a tortured store must detect violations: the ledger of acknowledgements, and the model of syncs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Ledger } from "./ledger.js";
import { FileNode, SyncedFiles } from "./synced-files.js";
import type { Call } from "./trace.js";

const key = "tag a:b";

/** Writes of a register, each acknowledged, in flight (?) or lost (!), and the values that it may then have. */
const histories: readonly { writes: readonly string[]; may: readonly (string | undefined)[] }[] = [
  { writes: [], may: [undefined] },
  { writes: ["one"], may: ["one"] },
  { writes: ["one", "two"], may: ["two"] },
  { writes: ["one?"], may: [undefined, "one"] },
  { writes: ["one", "two?"], may: ["one", "two"] },
  { writes: ["one", "two?", "gone?"], may: ["one", "two", undefined] },
  { writes: ["one", "gone"], may: [undefined] },
  { writes: ["one", "gone", "two?"], may: [undefined, "two"] },
  { writes: ["one!"], may: [undefined, "one"] },
  { writes: ["one", "two!"], may: ["one", "two"] },
  { writes: ["one!", "two"], may: ["two"] },
  { writes: ["one", "gone!", "two"], may: ["two"] },
  { writes: ["one!", "two!"], may: [undefined, "one", "two"] },
  { writes: ["one", "gone if two"], may: ["one", undefined] },
  { writes: ["one", "gone if one"], may: [undefined] },
];

for (const { writes, may } of histories) {
  test(`after [${writes.join(", ")}] a register is ${may.map((value) => value ?? "absent").join(" or ")}`, () => {
    const ledger = new Ledger();
    for (const write of writes) {
      const [text = "", onlyIf] = write.replace(/[?!]/, "").split(" if ");
      const value = text === "gone" ? undefined : text;
      const operation = ledger.begin([{ key, value, ...(onlyIf !== undefined && { onlyIf }) }]);
      if (write.endsWith("!")) operation.lost();
      else if (!write.endsWith("?")) operation.acknowledge();
    }
    for (const value of ["one", "two", undefined])
      assert.equal(ledger.objection(key, value) === undefined, may.includes(value), value ?? "absent");
  });
}

test("of two concurrent writes either may have been the last", () => {
  const ledger = new Ledger();
  const operations = ["one", "two"].map((value) => ledger.begin([{ key, value }]));
  for (const operation of operations) operation.acknowledge();
  assert.equal(ledger.objection(key, "one"), undefined);
  assert.equal(ledger.objection(key, "two"), undefined);
  assert.notEqual(ledger.objection(key, undefined), undefined);
});

test("a register once seen keeps its value", () => {
  const ledger = new Ledger();
  ledger.begin([{ key, value: "one" }]);
  ledger.settle(key, undefined);
  assert.notEqual(ledger.objection(key, "one"), undefined);
});

function callOf(name: string, path: string, ...texts: readonly string[]): Call {
  return { name, path, texts: texts.map((text) => Buffer.from(text)), rest: "O_CREAT", line: 0 };
}

test("a file is synced up to the bytes written when its sync began, under names whose folder was synced", () => {
  const files = new SyncedFiles("/disk");
  const [file, begin, end] = ["/disk/a/f", { time: 0, result: undefined }, { time: 0, result: 5 }];
  const done = (call: Call) => {
    files.apply({ ...begin, call });
    files.apply({ ...end, call });
  };
  const synced = () => {
    const node = files.findSynced(file);
    return node instanceof FileNode ? node.synced.toString() : undefined;
  };
  done(callOf("mkdir", "", "/disk/a"));
  done(callOf("openat", "", file));
  done(callOf("write", file, "first"));
  const sync = callOf("fdatasync", file);
  files.apply({ ...begin, call: sync });
  done(callOf("write", file, "later"));
  done(callOf("fsync", "/disk/a"));
  assert.equal(synced(), undefined, "the folder above has not been synced");
  done(callOf("fsync", "/disk"));
  assert.equal(synced(), "", "the file's sync has not ended");
  files.apply({ ...end, call: sync });
  assert.equal(synced(), "first");
  done(callOf("rename", "", file, "/disk/a/g"));
  assert.equal(synced(), "first", "the new name is not synced");
  done(callOf("fsync", "/disk/a"));
  assert.equal(synced(), undefined);
});
