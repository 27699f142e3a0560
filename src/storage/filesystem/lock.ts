/**
 * Keeps two servers from opening one store. The lock is the kernel's (flock): it goes with the process,
 * however that ends, so a crash leaves none behind. Node has no call for it, so util-linux' `flock` sets
 * it on a file that this process has open and keeps open; the lock belongs to the open file, not to the
 * program that set it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import { errorCode } from "./files.js";

export interface StoreLock {
  /** Whether the store is really locked; not where the system has no `flock`. */
  readonly locked: boolean;
  release(): Promise<void>;
}

/** What `flock --nonblock` ends with when somebody else has the lock. */
const taken = 1;

/** Locks the store at `root`. Rejects, naming the holder, where another process has it. */
export async function lockStore(root: string): Promise<StoreLock> {
  const handle = await open(`${root}/lock`, "a+");
  try {
    const code = await flock(handle);
    if (code === taken) {
      const holder = (await handle.readFile("latin1")).trim();
      throw new Error(`${root} is in use by another gantry${holder === "" ? "" : ` (${holder})`}`);
    }
    if (code !== undefined && code !== 0) throw new Error(`flock ended with ${code}`);
    await handle.truncate(0);
    await handle.appendFile(`process ${process.pid}\n`);
    return { locked: code !== undefined, release: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The exit code of `flock`, `undefined` where there is no such program. */
async function flock(handle: FileHandle): Promise<number | undefined> {
  const inherited = 3;
  const child = spawn("flock", ["--nonblock", String(inherited)], {
    stdio: ["ignore", "ignore", "ignore", handle.fd],
  });
  try {
    const [code] = (await once(child, "exit")) as [number];
    return code;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
