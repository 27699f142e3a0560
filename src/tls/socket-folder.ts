/**
 * Creates private directories for the socket between the TLS thread and the registry. A killed server leaves its directory
 * behind; the next server removes it.
 */
import { lstat, mkdtemp, readdir, rmdir, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Prefix in the directory for temporary files. A socket's path may have at most 107 bytes. */
const prefix = "gantry-tls-";

/** The names that `mkdtemp` creates. */
const ours = /^gantry-tls-\w{6}$/;

const socketFile = "registry.sock";

export function makeSocketFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), prefix));
}

export function socketIn(folder: string): string {
  return join(folder, socketFile);
}

/** Removes this user's directories without a listener. Leaves those that cannot be removed. */
export async function removeAbandonedFolders(): Promise<void> {
  const entries = await readdir(tmpdir()).catch(() => []);
  for (const entry of entries.filter((name) => ours.test(name)))
    await removeIfAbandoned(join(tmpdir(), entry)).catch(() => {});
}

async function removeIfAbandoned(folder: string): Promise<void> {
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) return;
  const socket = socketIn(folder);
  // A directory without a socket may belong to a starting server.
  if (!(await refuses(socket))) return;
  await unlink(socket);
  // Fails if the directory contains other files, which are not ours.
  await rmdir(folder);
}

/** Returns whether the socket exists but nothing listens on it, which the system reports for any process. */
function refuses(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}
