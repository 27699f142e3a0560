/**
 * New, incompressible blobs of any length, without the cost of generating random bytes: a shared pool of them, with each MiB
 * of a blob stamped with the blob's salt and position.
 */
import { createHash, randomBytes, randomFillSync } from "node:crypto";
import { mebibyte } from "../units.js";

const poolBytes = 32 * mebibyte;
const stampBytes = 16;
const pool = randomFillSync(Buffer.allocUnsafeSlow(poolBytes));

export class Payload {
  readonly length: number;
  /** Known before the timed part begins. */
  readonly digest: string;
  readonly #salt = randomBytes(8);

  constructor(length: number) {
    this.length = length;
    const hash = createHash("sha256");
    for (const part of this.bytes()) {
      hash.update(part);
    }
    this.digest = `sha256:${hash.digest("hex")}`;
  }

  /** The content in pieces of at most 1 MiB, each a stamp and a view of the pool, without copies. */
  *pieces(): Generator<readonly Buffer[]> {
    for (let offset = 0; offset < this.length; offset += mebibyte) {
      const length = Math.min(mebibyte, this.length - offset);
      const stamp = Buffer.alloc(stampBytes);
      this.#salt.copy(stamp);
      stamp.writeBigUInt64LE(BigInt(offset), 8);
      const start = offset % poolBytes;
      yield [
        stamp.subarray(0, length),
        pool.subarray(start + stampBytes, start + Math.max(stampBytes, length)),
      ];
    }
  }

  /** The content as one run of buffers. */
  *bytes(): Generator<Buffer> {
    for (const piece of this.pieces()) {
      yield* piece;
    }
  }
}
