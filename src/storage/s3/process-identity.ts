/**
 * Names a process so that another process on the same machine can tell whether it still runs. A process number alone is given
 * again, and means nothing in another container.
 */
import { readFile, readlink } from "node:fs/promises";
import { hostname } from "node:os";
import { jsonObject } from "./stored-records.js";

export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** The start of the system and the namespace of process numbers. Empty if the system does not tell. */
  readonly space: string;
  /** When the process started, by the clock of the system. */
  readonly started: string;
}

export async function ownIdentity(): Promise<ProcessIdentity> {
  const { pid } = process;
  return { host: hostname(), pid, space: await ownSpace(), started: (await startOf(pid)) ?? "" };
}

/** Returns an identity as text. */
export function nameOf({ host, pid, space, started }: ProcessIdentity): string {
  return JSON.stringify({ host, pid, space, started });
}

export function parseName(name: string): ProcessIdentity | undefined {
  const { host, pid, space, started } = jsonObject(Buffer.from(name)) ?? {};
  if (typeof host !== "string" || typeof pid !== "number") return undefined;
  if (typeof space !== "string" || typeof started !== "string") return undefined;
  return { host, pid, space, started };
}

/** Resolves with `undefined` for a process of which this one cannot know. */
export async function isRunning({ pid, space, started }: ProcessIdentity): Promise<boolean | undefined> {
  if (space === "" || space !== (await ownSpace())) return undefined;
  return (await startOf(pid)) === started;
}

async function ownSpace(): Promise<string> {
  try {
    const [boot, namespace] = await Promise.all([
      readFile("/proc/sys/kernel/random/boot_id", "latin1"),
      readlink("/proc/self/ns/pid"),
    ]);
    return `${boot.trim()} ${namespace}`;
  } catch {
    return "";
  }
}

/** Position of the start time after the name of the program, which is in parentheses and may contain spaces (proc(5)). */
const startField = 19;

async function startOf(pid: number): Promise<string | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    // A zombie does nothing any more.
    return fields[0] === "Z" ? undefined : fields[startField];
  } catch {
    return undefined;
  }
}
