/** How the bytes of an upload that no part has yet are lent, with bounded memory. */
import { strict as assert } from "node:assert";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { openScratchFile } from "../../src/storage/scratch-file.js";
import { HeldPart } from "../../workers/s3/held-part.js";
import { PartBuffers } from "../../workers/s3/part-buffers.js";

const partBytes = 256 * 1024;
const start = Buffer.from("start\n");

/** Of the first two, one is in the memory for parts; all others are in scratch files. */
function holdMany(count: number, bytes: number): readonly HeldPart[] {
  const buffers = new PartBuffers(2, partBytes);
  return Array.from({ length: count }, (_, number) => {
    const part = new HeldPart(buffers, () => openScratchFile(tmpdir()));
    part.append(Buffer.alloc(bytes, number + 1));
    return part;
  });
}

for (const bytes of [0, 1000, 100_000, partBytes]) {
  test(`${bytes} bytes are lent after the start, and held on`, async () => {
    const copies = new PartBuffers(2, partBytes + start.length);
    for (const [number, part] of holdMany(3, bytes).entries()) {
      const expected = Buffer.alloc(bytes, number + 1);
      for (const first of [start, Buffer.alloc(0)])
        await part.lend(first, copies, async (lent) => {
          assert(lent.equals(Buffer.concat([first, expected])));
        });
      assert(part.bytes().equals(expected));
      part.clear();
    }
  });
}

test("no more bytes are copied at the same time than there are buffers for copies", async () => {
  const parts = holdMany(10, 100_000);
  const copies = new PartBuffers(2, partBytes);
  let [running, most] = [0, 0];
  const lent = await Promise.all(
    parts.map((part) =>
      part.lend(start, copies, async (bytes) => {
        most = Math.max(most, ++running);
        await setImmediate();
        running--;
        return bytes.at(-1);
      }),
    ),
  );
  assert.deepEqual(
    lent,
    parts.map((_, number) => number + 1),
  );
  assert.equal(most, 2);
  for (const part of parts) part.clear();
});

test("a use that fails gives its buffer back", async () => {
  const [part] = holdMany(1, 100_000);
  const copies = new PartBuffers(2, partBytes);
  for (let call = 0; call < 3; call++)
    await assert.rejects(async () => part?.lend(start, copies, () => Promise.reject(new Error("no"))), /no/);
  part?.clear();
});
