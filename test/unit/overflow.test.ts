// Bytes without a slab: memory first, then files, and both are bounded.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteBudget } from "../../src/lib/byte-budget.js";
import { Overflow } from "../../src/lib/overflow.js";

const mebibyte = 1024 * 1024;

/** An overflow with 4 KiB of memory and files that store nothing. */
function overflow() {
  let open = 0;
  const made = new Overflow({
    memory: new ByteBudget(4096, 2048),
    openFile: () => {
      open++;
      const read = (into: Uint8Array) => into.length;
      return {
        write: () => {},
        read,
        writeLater: async () => {},
        readLater: async (into) => read(into),
        close: () => void open--,
      };
    },
  });
  return { made, open: () => open };
}

test("at most 32 files are open, and closing one makes room", () => {
  const { made, open } = overflow();
  const holders = Array.from({ length: 33 }, (_, number) => made.hold(`client ${number}`));
  const kept = holders.map((holder) => holder.append(new Uint8Array(4097)));
  assert.deepEqual(kept, [...Array(32).fill(true), false]);
  assert.deepEqual([made.files, open()], [32, 32]);
  holders[0]?.clear();
  assert.ok(holders[32]?.append(new Uint8Array(4097)));
  for (const holder of holders) holder.clear();
  assert.deepEqual([made.files, open()], [0, 0]);
});

test("one client uses at most 2 GiB of files, others have theirs, and all space is released", () => {
  const { made } = overflow();
  const chunk = new Uint8Array(mebibyte);
  const [first, second, other] = [made.hold("a"), made.hold("a"), made.hold("b")];
  for (let count = 0; count < 2048; count++) assert.ok(first.append(chunk));
  assert.equal(first.append(chunk), false);
  assert.equal(second.append(chunk), false);
  assert.ok(other.append(chunk));
  first.clear();
  assert.ok(second.append(chunk));
});

test("one client opens at most half of the files, and one that cannot be opened takes no place", () => {
  const { made } = overflow();
  const holders = Array.from({ length: 17 }, () => made.hold("a"));
  const kept = holders.map((holder) => holder.append(new Uint8Array(4097)));
  assert.deepEqual(kept, [...Array(16).fill(true), false]);
  assert.ok(made.hold("b").append(new Uint8Array(4097)));
  const broken = new Overflow({
    memory: new ByteBudget(0, 0),
    openFile: () => {
      throw new Error("full");
    },
  });
  assert.throws(() => broken.hold("a").append(new Uint8Array(1)), /full/);
  assert.equal(broken.files, 0);
});
