/** Reads files that an operator names. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";

/** Ten thousand users or rules take a megabyte; a larger file is a mistake. */
const bytesMax = 16 * 1024 * 1024;

/** Without `O_NONBLOCK`, opening a named pipe would wait for its writer, and no signal could end that. */
const flags = constants.O_RDONLY | constants.O_NONBLOCK;

/** Reads a regular file of at most `bytesMax` bytes. Rejects for any other object. */
export async function readText(path: string): Promise<string> {
  const handle = await open(path, flags);
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new Error(`${path} is not a file`);
    if (found.size > bytesMax) throw new Error(`${path} has more than ${bytesMax} bytes`);
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}
