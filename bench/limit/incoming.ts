/**
 * A blob on its way to the disk: hashed on arrival and collected into aligned pieces that bypass the page cache while the
 * next ones arrive. Its end, which fills no block, goes through the page cache.
 */
import { createHash } from "node:crypto";
import { closeSync, constants, fdatasync, openSync, write } from "node:fs";
import { promisify } from "node:util";
import { alignedMemory } from "../../src/lib/aligned-memory.js";
import { mebibyte } from "../units.js";

const pieceBytes = mebibyte;
/** Pieces of one upload: enough to keep the disk busy. */
const piecesMax = 4;

/** Pieces not in use: new memory costs as much as a copy. */
const spare: Uint8Array[] = [];

export class Incoming {
  readonly #hash = createHash("sha256");
  readonly #path: string;
  readonly #file: number;
  #direct: number | undefined;
  #piece = spare.pop() ?? new Uint8Array(alignedMemory(pieceBytes));
  #filled = 0;
  #position = 0;
  readonly #writes = new Set<Promise<void>>();

  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, "wx");
  }

  /** Accepts a chunk; returns a promise if the sender should wait for it. */
  take(bytes: Uint8Array): Promise<unknown> | undefined {
    this.#hash.update(bytes);
    for (let taken = 0; taken < bytes.length; ) {
      const part = bytes.subarray(taken, taken + pieceBytes - this.#filled);
      this.#piece.set(part, this.#filled);
      this.#filled += part.length;
      taken += part.length;
      if (this.#filled === pieceBytes) this.#writePiece();
    }
    return this.#writes.size < piecesMax ? undefined : Promise.race(this.#writes);
  }

  #writePiece(): void {
    this.#direct ??= openSync(this.#path, constants.O_WRONLY | constants.O_DIRECT);
    const piece = this.#piece;
    const done = writeAll(this.#direct, piece, this.#position).then(() => {
      spare.push(piece);
      this.#writes.delete(done);
    });
    this.#writes.add(done);
    this.#position += pieceBytes;
    this.#piece = spare.pop() ?? new Uint8Array(alignedMemory(pieceBytes));
    this.#filled = 0;
  }

  /** Returns its digest, when all of it is on stable storage. */
  async seal(): Promise<string> {
    await writeAll(this.#file, this.#piece.subarray(0, this.#filled), this.#position);
    await Promise.all(this.#writes);
    await promisify(fdatasync)(this.#file);
    closeSync(this.#file);
    if (this.#direct !== undefined) closeSync(this.#direct);
    spare.push(this.#piece);
    return `sha256:${this.#hash.digest("hex")}`;
  }
}

async function writeAll(descriptor: number, bytes: Uint8Array, position: number): Promise<void> {
  if (bytes.length === 0) return;
  const written = await new Promise<number>((resolve, reject) => {
    write(descriptor, bytes, 0, bytes.length, position, (error, count) =>
      error === null ? resolve(count) : reject(error),
    );
  });
  await writeAll(descriptor, bytes.subarray(written), position + written);
}
