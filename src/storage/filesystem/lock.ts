/**
 * Keeps two servers from opening one store. The lock is the kernel's (flock): it ends with the process, however that ends,
 * so a crash leaves none behind. Node has no call for it, so util-linux' `flock` sets it on a file that this process has
 * open. The lock belongs to the open file, not to the program that set it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";
import { StoreInUse } from "../store-in-use.js";
import { readFlags } from "./checked-files.js";
import { confirmName } from "./confirm-name.js";
import { errorCode, ifThere } from "./files.js";
import { lockHolders } from "./lock-holders.js";

export interface StoreLock {
  /** Whether the store is locked; false if the system has no `flock`. */
  readonly locked: boolean;
  /** The open file that has the lock. */
  readonly descriptor: number | undefined;
  /** Rejects if another process could lock the store, too, because the file has lost its name. */
  confirm(): Promise<void>;
  release(): Promise<void>;
}

/** Of a store that this process does not lock. */
export function unlocked(locked: boolean): StoreLock {
  return { locked, descriptor: undefined, confirm: async () => {}, release: async () => {} };
}

/** Exit code of `flock --nonblock` if another process has the lock. */
const taken = 1;

const withoutLock =
  ", so another gantry may have opened the store: stop every gantry that uses it, and start one";

const lockFlags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;

/** Locks the store by its file. Rejects with the holder's name if another process has it. */
export async function lockStore(file: string): Promise<StoreLock> {
  const { handle, readOnly } = await openLock(file);
  if (handle === undefined) return unlocked(false);
  try {
    const code = await flock(handle);
    if (code === taken) throw new StoreInUse(`${dirname(file)} ${await useOf(file, handle, readOnly)}`);
    if (code !== undefined && code !== 0) throw new Error(`flock ended with ${code}`);
    if (!readOnly) {
      await handle.truncate(0);
      await handle.appendFile(`process ${process.pid}\n`);
    }
    return {
      locked: code !== undefined,
      descriptor: handle.fd,
      confirm: () => confirmName(file, handle, withoutLock),
      release: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Resolves with whether a process listens on the socket. */
export async function isAnswered(socket: string): Promise<boolean> {
  const connection = connect(socket);
  try {
    await once(connection, "connect");
    return true;
  } catch {
    return false;
  } finally {
    connection.destroy();
  }
}

/**
 * Returns whether a process holds the lock, which need not be of this user. Locks the file for a moment to find out, and does not
 * change it. Returns false if the system has no `flock`, or if there is no file.
 */
export async function isLocked(file: string): Promise<boolean> {
  const handle = await ifThere(open(file, readFlags));
  if (handle === undefined) return false;
  try {
    return (await flock(handle, "--shared")) === taken;
  } finally {
    await handle.close();
  }
}

/**
 * Returns what holds the lock, as words behind the store's path. The file has the number of the process that has set it, but
 * processes which that one has started hold it, too. They end with it, unless they were stopped or hang.
 */
async function useOf(file: string, handle: FileHandle, readOnly: boolean): Promise<string> {
  const { ino } = await handle.stat({ bigint: true });
  const holders = await lockHolders(file, ino);
  // After the search, because a process that has just got the lock writes its number a moment later.
  const [, written] = /^process (\d+)$/m.exec(await handle.readFile("latin1")) ?? [];
  const first = readOnly ? holders[0] : Number(written ?? holders[0]);
  if (first === undefined || Number.isNaN(first)) return "is in use by another gantry";
  if (holders.length === 0 || holders.includes(first))
    return `is in use by another gantry (process ${first}), whose lock ends with it: stop it, or use another folder; do not remove ${file}`;
  const ids = holders.join(" ");
  return `is in use by processes of a gantry that has ended (process ${first}): ${ids}. End them with "kill -KILL ${ids}", and start again`;
}

/** On a read-only file system an existing file can be locked; without one, no server can write here anyway. */
async function openLock(file: string): Promise<{ handle: FileHandle | undefined; readOnly: boolean }> {
  try {
    return { handle: await open(file, lockFlags), readOnly: false };
  } catch (error) {
    if (errorCode(error) !== "EROFS") throw error;
    return { handle: await ifThere(open(file, readFlags)), readOnly: true };
  }
}

/** Returns the exit code of `flock`, or `undefined` if there is no such program. */
async function flock(
  handle: FileHandle,
  mode: "--exclusive" | "--shared" = "--exclusive",
): Promise<number | undefined> {
  const inherited = 3;
  const child = spawn("flock", ["--nonblock", mode, String(inherited)], {
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
