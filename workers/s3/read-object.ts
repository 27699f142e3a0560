/** Reads an object in pieces, one ahead of the one that is being used. */
import type { S3Client } from "../../src/storage/s3/client.js";

const pieceBytes = 4 * 1024 * 1024;

/** Passes all bytes to `use`, in order. Resolves with their number: less than `size` if the object is shorter or gone. */
export async function readObject(
  client: S3Client,
  key: string,
  size: number,
  use: (bytes: Buffer) => void,
): Promise<number> {
  const buffers = [Buffer.allocUnsafe(pieceBytes), Buffer.allocUnsafe(pieceBytes)] as const;
  const read = async (at: number): Promise<Buffer> => {
    const buffer = buffers[Math.floor(at / pieceBytes) % 2 === 0 ? 0 : 1];
    const length = Math.min(pieceBytes, size - at);
    const got = length > 0 ? await client.read(key, buffer.subarray(0, length), at) : 0;
    return buffer.subarray(0, got ?? 0);
  };
  let next = read(0);
  let done = 0;
  while (done < size) {
    const bytes = await next;
    if (bytes.length === 0) break;
    const at = done + bytes.length;
    // A shorter piece ends the object.
    next = bytes.length === pieceBytes ? read(at) : Promise.resolve(Buffer.alloc(0));
    next.catch(() => {});
    use(bytes);
    done = at;
  }
  return done;
}
