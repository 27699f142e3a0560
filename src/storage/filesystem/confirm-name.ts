/** Notices that a file which this process has open was removed or replaced. */
import { type FileHandle, lstat } from "node:fs/promises";
import { ifThere } from "./files.js";

/** Rejects if the path is no longer a name of the open file. `consequence` ends the message. */
export async function confirmName(path: string, handle: FileHandle, consequence: string): Promise<void> {
  const [held, found] = await Promise.all([
    handle.stat({ bigint: true }),
    ifThere(lstat(path, { bigint: true })),
  ]);
  if (found?.ino !== held.ino || found.dev !== held.dev)
    throw Object.assign(
      new Error(`${path} was removed or replaced while this server uses it${consequence}`),
      {
        code: "EIO",
      },
    );
}
