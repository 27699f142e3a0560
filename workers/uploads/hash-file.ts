/** Hashes an existing file in small steps, between which the worker runs other tasks. */
import { readSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import type { Hasher } from "../../src/domain/hash.js";

/** Bytes per step, about 1 ms. */
const readBytes = 1024 * 1024;

/** Adds up to `bytesMax` bytes from the start of the file to `hasher`. Returns the number of bytes. */
export async function hashFile(descriptor: number, hasher: Hasher, bytesMax: number): Promise<number> {
  const buffer = Buffer.allocUnsafe(Math.min(readBytes, bytesMax));
  for (let position = 0; position < bytesMax; ) {
    const got = readSync(descriptor, buffer, 0, Math.min(buffer.length, bytesMax - position), position);
    if (got === 0) return position;
    hasher.update(buffer.subarray(0, got));
    position += got;
    await turn();
  }
  return bytesMax;
}
