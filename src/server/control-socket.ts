/** The path of the socket for operators' commands: in the store's folder, or for a bucket in a folder of this user. */
import { createHash } from "node:crypto";
import { lstat } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Config } from "../config/config.js";
import { Layout } from "../storage/filesystem/layout.js";
import { makeFolders } from "../storage/make-folders.js";

const ownerOnly = 0o700;

export function controlSocketOf({ storage: { filesystem, s3 } }: Config): string {
  if (s3 === undefined) return new Layout(resolve(filesystem.rootdirectory)).controlSocket;
  const store = JSON.stringify([s3.regionendpoint, s3.region, s3.bucket, s3.rootdirectory]);
  const name = createHash("sha256").update(store).digest("hex").slice(0, 16);
  const folder = process.env.XDG_RUNTIME_DIR ?? tmpdir();
  return join(folder, `gantry-${userInfo().uid}`, name);
}

/** Creates the folder of a socket outside of a store. Rejects if another user could listen there. */
export async function ensureSocketFolder({ storage: { s3 } }: Config, socket: string): Promise<void> {
  if (s3 === undefined) return;
  const folder = dirname(socket);
  await makeFolders(folder, ownerOnly);
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== userInfo().uid || (found.mode & 0o022) !== 0)
    throw new Error(`${folder} is not a folder that only this user can write to`);
}
