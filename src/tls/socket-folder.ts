/**
 * Folders for the socket between the thread that ends TLS and the registry. Nobody else may enter one; one whose
 * server was killed stays, and is removed by the next server that starts.
 */
import { lstat, mkdtemp, readdir, rmdir, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** In the folder for temporary files. A socket's path has at most 107 bytes. */
const prefix = "gantry-tls-";

/** What `mkdtemp` makes of it. */
const ours = /^gantry-tls-\w{6}$/;

const socketFile = "registry.sock";

export function makeSocketFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), prefix));
}

export function socketIn(folder: string): string {
  return join(folder, socketFile);
}

/** Removes those of this user that nobody listens in any more. What cannot be removed stays. */
export async function removeAbandonedFolders(): Promise<void> {
  const entries = await readdir(tmpdir()).catch(() => []);
  for (const entry of entries.filter((name) => ours.test(name)))
    await removeIfAbandoned(join(tmpdir(), entry)).catch(() => {});
}

async function removeIfAbandoned(folder: string): Promise<void> {
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) return;
  const socket = socketIn(folder);
  // One that has no socket yet may be of a server that starts.
  if (!(await refuses(socket))) return;
  await unlink(socket);
  // Fails where there is something else in it, which is none of ours.
  await rmdir(folder);
}

/** Whether there is a socket whose server is gone: the system knows, whatever process that was. */
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
