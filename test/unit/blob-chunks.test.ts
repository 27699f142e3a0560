// Chunks shared by downloads: with any readers in any order, each gets the correct bytes, memory stays within its bound, and
// failures and waits leave nothing behind.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { BlobChunks } from "../../src/cache/blob-chunks.js";
import { SharedBlob } from "../../src/cache/open-blobs.js";

const chunkBytes = 8;

/** A blob whose bytes encode their position and blob, on a disk that takes some turns to read. */
class FakeBlob {
  reads = 0;
  failing = false;
  closed = false;
  readonly shared: SharedBlob;

  constructor(
    chunks: BlobChunks,
    readonly size: number,
    readonly salt: number,
    readonly turns = 1,
    readonly waits = false,
  ) {
    this.shared = new SharedBlob(
      {
        size,
        read: async (into, position) => {
          this.reads++;
          for (let count = 0; count < this.turns; count++) await turn();
          assert.ok(!this.closed, "nothing is read from a closed file");
          if (this.failing) throw new Error("the disk is gone");
          for (let place = 0; place < into.length; place++) into[place] = this.byteAt(position + place);
          return into.length;
        },
        waitsAt: () => this.waits,
        close: async () => {
          this.closed = true;
        },
      },
      chunks,
    ).acquire();
  }

  byteAt(position: number): number {
    return (position * 7 + this.salt) % 256;
  }

  /** Reads all of it like a download, with occasional pauses. */
  async readAll(pauses: readonly number[]): Promise<void> {
    for (let position = 0; position < this.size; ) {
      const piece = await this.shared.at(position);
      this.shared.readAhead(position + piece.bytes.length);
      assert.ok(piece.bytes.length > 0 && position + piece.bytes.length <= this.size);
      for (const [place, byte] of piece.bytes.entries()) assert.equal(byte, this.byteAt(position + place));
      position += piece.bytes.length;
      piece.release();
      for (let count = pauses[position % pauses.length] ?? 0; count > 0; count--) await turn();
    }
  }
}

test("every reader gets the correct bytes, with any number of readers and chunks", async () => {
  const readers = fc.array(
    fc.record({ blob: fc.nat({ max: 2 }), pauses: fc.array(fc.nat({ max: 3 }), { minLength: 1 }) }),
    { minLength: 1, maxLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(readers, fc.integer({ min: 1, max: 6 }), async (list, count) => {
      const chunks = new BlobChunks({ chunkBytes, chunks: count });
      const blobs = [61, 8, 30].map((size, place) => new FakeBlob(chunks, size, place * 50, place));
      await Promise.all(list.map(({ blob, pauses }) => blobs[blob]?.readAll(pauses)));
      for (const blob of blobs) blob.shared.release();
      for (let count = 0; count < 5; count++) await turn();
      assert.ok(
        blobs.every(({ closed }) => closed),
        "no caller holds a file any more",
      );
    }),
    { numRuns: 200 },
  );
});

test("readers at the same position share one read, and a later reader needs none", async () => {
  const blob = new FakeBlob(new BlobChunks({ chunkBytes, chunks: 4 }), 20, 0);
  const pieces = await Promise.all([0, 3, 7].map((position) => blob.shared.at(position)));
  assert.equal(blob.reads, 1);
  assert.deepEqual(
    pieces.map(({ bytes }) => bytes.length),
    [8, 5, 1],
  );
  assert.ok(!(blob.shared.at(1) instanceof Promise));
  assert.equal(blob.reads, 1);
});

test("the only reader of a blob reuses the memory that it has passed; several readers keep it for each other", async () => {
  const blob = new FakeBlob(new BlobChunks({ chunkBytes, chunks: 4 }), 80, 0);
  const first = await blob.shared.at(0);
  first.release();
  const second = await blob.shared.at(8);
  second.release();
  const third = await blob.shared.at(16);
  assert.equal(third.bytes.buffer, first.bytes.buffer);
  assert.equal(third.bytes.byteOffset, first.bytes.byteOffset);
  third.release();
  blob.shared.acquire();
  (await blob.shared.at(24)).release();
  (await blob.shared.at(32)).release();
  assert.equal(blob.reads, 5);
  (await blob.shared.at(24)).release();
  assert.equal(blob.reads, 5, "the other reader needs no read");
});

test("a reader waits while all chunks are held, and continues when one is released", async () => {
  const blob = new FakeBlob(new BlobChunks({ chunkBytes, chunks: 2 }), 80, 0);
  const held = [await blob.shared.at(0), await blob.shared.at(8)];
  let come = false;
  const third = Promise.resolve(blob.shared.at(16)).then((piece) => {
    come = true;
    return piece;
  });
  for (let count = 0; count < 5; count++) await turn();
  assert.equal(come, false);
  held[0]?.release();
  assert.equal((await third).bytes[0], blob.byteAt(16));
  assert.equal(held[1]?.bytes[0], blob.byteAt(8), "a held chunk does not change");
});

test("a failed read rejects for all its waiters, and the next one tries again", async () => {
  const blob = new FakeBlob(new BlobChunks({ chunkBytes, chunks: 1 }), 20, 0);
  blob.failing = true;
  const both = await Promise.allSettled([blob.shared.at(0), blob.shared.at(4)]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  blob.shared.readAhead(8);
  for (let count = 0; count < 3; count++) await turn();
  blob.failing = false;
  (await blob.shared.at(0)).release();
  (await blob.shared.at(8)).release();
});

test("reading ahead uses at most half of the chunks, and stops at the end", async () => {
  const blob = new FakeBlob(new BlobChunks({ chunkBytes, chunks: 4 }), 80, 0);
  for (let position = 0; position <= 80; position += 8) blob.shared.readAhead(position);
  assert.equal(blob.reads, 2);
  await turn();
  await turn();
  for (const position of [0, 8]) (await blob.shared.at(position)).release();
  blob.shared.readAhead(80);
  assert.equal(blob.reads, 2);
  blob.shared.readAhead(16);
  assert.equal(blob.reads, 3, "a requested chunk no longer counts as read ahead");
});

test("a store that does not read ahead by itself gets four reads at once", async () => {
  const blob = new FakeBlob(new BlobChunks({ chunkBytes, chunks: 8 }), 44, 0, 1, true);
  blob.shared.readAhead(0);
  assert.equal(blob.reads, 4);
  await turn();
  await turn();
  for (const position of [0, 8, 16, 24]) (await blob.shared.at(position)).release();
  blob.shared.readAhead(32);
  assert.equal(blob.reads, 6, "nothing is read beyond the end");
});

test("chunks of a blob that fits are kept for the next reader, also beside the only reader of one that does not", async () => {
  const chunks = new BlobChunks({ chunkBytes, chunks: 6 });
  const small = new FakeBlob(chunks, 20, 0);
  await small.readAll([0]);
  const large = new FakeBlob(chunks, 400, 50);
  await large.readAll([0]);
  await small.readAll([0]);
  assert.equal(small.reads, 3);
});

test("a file released during reading ahead closes after the read", async () => {
  const blob = new FakeBlob(new BlobChunks({ chunkBytes, chunks: 4 }), 20, 0, 3);
  blob.shared.readAhead(0);
  blob.shared.release();
  assert.equal(blob.closed, false);
  for (let count = 0; count < 6; count++) await turn();
  assert.equal(blob.closed, true);
});
