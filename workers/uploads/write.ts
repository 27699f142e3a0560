/** Writes by another thread, with callbacks: a file handle takes more CPU time. */
import { write } from "node:fs";

/** Resolves when all bytes are written, beginning at `position`. */
export async function writeAll(descriptor: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += await writeSome(descriptor, bytes.subarray(done), position + done);
}

/** Returns the number of bytes written, which may be fewer than all. */
export function writeSome(descriptor: number, bytes: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(descriptor, bytes, 0, bytes.length, position, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}
