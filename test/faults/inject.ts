// Loaded into the server and its workers before anything else (`node --import`): makes calls of node:fs fail as described in
// a file that the test writes and removes. The program itself contains nothing of it.

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { setTimeout as pause } from "node:timers/promises";
import { isMainThread } from "node:worker_threads";

/** The current fault: calls of this name on matching paths. */
export interface Fault {
  readonly call: "write" | "fdatasync" | "fsync" | "link" | "rename" | "read" | "open" | PathCall;
  /** A system error code; or the worker crashes, or never responds; or the process is killed. */
  readonly code: "EIO" | "ENOSPC" | "EMLINK" | "EMFILE" | "EXIT" | "HANG" | "KILL";
  /** A regular expression; for a call with two paths, both with a space between. */
  readonly path: string;
  /** Only the first such call fails. */
  readonly once?: boolean;
  /** So many such calls of a thread succeed first. */
  readonly after?: number;
  /** How long the call takes before it fails, so that others run in between. */
  readonly delayMilliseconds?: number;
}

/** Calls with one path that return a promise; `unlink` also one that does not. */
const pathCalls = ["unlink", "rm", "rmdir", "stat", "lstat", "readFile", "readdir"] as const;
type PathCall = (typeof pathCalls)[number];

const planFile = process.env.GANTRY_TEST_FAULT ?? "";
const { readFileSync } = fs;

let delayMilliseconds = 0;
/** Calls that a plan with `after` has let pass. */
let passed = 0;

function faultOf(call: Fault["call"], ...paths: readonly unknown[]): Fault["code"] | undefined {
  let plan: Fault;
  try {
    plan = JSON.parse(readFileSync(planFile, "utf8")) as Fault;
  } catch {
    return undefined;
  }
  if (plan.call !== call || !new RegExp(plan.path).test(paths.join(" "))) return undefined;
  if (passed++ < (plan.after ?? 0)) return undefined;
  if (plan.code === "KILL") process.kill(process.pid, "SIGKILL");
  if (plan.once) fs.rmSync(planFile);
  delayMilliseconds = plan.delayMilliseconds ?? 0;
  return plan.code;
}

function errorOf(code: string, call: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: injected, ${call}`), { code });
}

/** Paths of open files, by descriptor. */
const opened = new Map<number, string>();

type Callback = (error: NodeJS.ErrnoException | null, ...results: unknown[]) => void;
type Loose = (...parameters: unknown[]) => unknown;

function patch(target: object, name: string, wrap: (original: Loose) => Loose): void {
  const original = Reflect.get(target, name) as Loose;
  Reflect.set(target, name, wrap(original.bind(target === fs ? fs : target)));
}

function strike(code: Fault["code"], call: string, callback: Callback): void {
  if (code === "HANG") return;
  if (code === "EXIT" && !isMainThread) process.exit(1);
  setTimeout(() => callback(errorOf(code, call)), delayMilliseconds);
}

patch(fs, "openSync", (original) => (...parameters) => {
  const code = faultOf("open", parameters[0]);
  if (code !== undefined) throw errorOf(code, "open");
  const descriptor = original(...parameters) as number;
  opened.set(descriptor, String(parameters[0]));
  return descriptor;
});

for (const call of ["write", "fdatasync", "fsync", "read"] as const) {
  patch(fs, call, (original) => (...parameters) => {
    const path = opened.get(parameters[0] as number) ?? descriptorPath(parameters[0] as number);
    const code = faultOf(call, path);
    if (code === undefined) return original(...parameters);
    strike(code, call, parameters.at(-1) as Callback);
    return undefined;
  });
}

function descriptorPath(descriptor: number): string {
  try {
    return fs.readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return "";
  }
}

for (const call of ["link", "rename"] as const) {
  patch(fs, `${call}Sync`, (original) => (...parameters) => {
    const code = faultOf(call, parameters[0], parameters[1]);
    if (code !== undefined) throw errorOf(code, call);
    return original(...parameters);
  });
}

patch(fs, "open", (original) => (...parameters) => {
  const code = faultOf("open", parameters[0]);
  if (code === undefined) return original(...parameters);
  strike(code, "open", parameters.at(-1) as Callback);
  return undefined;
});

for (const call of ["link", "rename"] as const) {
  patch(fs.promises, call, (original) => async (...parameters) => {
    const code = faultOf(call, parameters[0], parameters[1]);
    if (code !== undefined) throw errorOf(code, call);
    return original(...parameters);
  });
}

patch(fs, "unlinkSync", (original) => (...parameters) => {
  const code = faultOf("unlink", parameters[0]);
  if (code !== undefined) throw errorOf(code, "unlink");
  return original(...parameters);
});

for (const call of pathCalls) {
  patch(fs.promises, call, (original) => async (...parameters) => {
    const code = faultOf(call, parameters[0]);
    if (code === undefined) return original(...parameters);
    await pause(delayMilliseconds);
    throw errorOf(code, call);
  });
}

patch(fs.promises, "open", (original) => async (...parameters) => {
  const code = faultOf("open", parameters[0]);
  if (code !== undefined) throw errorOf(code, "open");
  const handle = (await original(...parameters)) as fs.promises.FileHandle;
  patchHandle(handle, "sync", "fsync", String(parameters[0]));
  patchHandle(handle, "datasync", "fdatasync", String(parameters[0]));
  return handle;
});

function patchHandle(
  handle: fs.promises.FileHandle,
  method: "sync" | "datasync",
  call: Fault["call"],
  path: string,
): void {
  const original = handle[method].bind(handle);
  handle[method] = async () => {
    const code = faultOf(call, path);
    if (code !== undefined) throw errorOf(code, call);
    return original();
  };
}

syncBuiltinESMExports();
