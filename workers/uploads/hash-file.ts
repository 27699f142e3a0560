/** Hashes what is in a file already, in small steps: between two, other tasks of the worker have their turn. */
import { readSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import type { Hasher } from "../../src/domain/hash.js";

/** Bytes of a step, some 1 ms each. */
const readBytes = 1024 * 1024;

/** Adds up to `bytesMax` bytes from the file's start to `hasher`; how many there were. */
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
