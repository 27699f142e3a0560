/**
 * The bench's child processes, and Linux's facts about them: CPU seconds and peak memory. Knows nothing about registries. A
 * process is always ended by the ID recorded at its start.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { kibibyte } from "./units.js";

/** `utime` and `stime` count in these units on every Linux that Node supports (USER_HZ). */
const clockTicksPerSecond = 100;
const exitSecondsMax = 10;
const readySecondsMax = 20;
const answerSecondsMax = 20;

export interface RunningProcess extends AsyncDisposable {
  readonly pid: number;
  /** Start time, by `performance.now()`. */
  readonly startedAt: number;
  /** Its output on standard output so far; only the start if it is long. */
  output(): string;
  /** Its output on standard error. */
  complaints(): string;
  /** Throws with its output if it has ended, which no contender should do by itself. */
  assertAlive(): void;
}

/** Returns the output of `command`, including standard error, on which some print their version. */
export async function outputOf(command: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(command, args, { timeout: answerSecondsMax * 1000 });
  return `${stdout}${stderr}`.trim();
}

/** Node.js reads all these certificates at each start, 35 ms for those of Debian. No contender needs them. */
const { NODE_EXTRA_CA_CERTS: _, ...ownEnvironment } = process.env;

/** The processes that run, to end them if the bench is interrupted or fails. */
const started = new Set<ChildProcess>();

process.once("exit", () => {
  // Not SIGKILL: nginx's master must end its workers.
  for (const child of started) child.kill("SIGTERM");
});

/** Starts `command`; its disposal sends SIGTERM, then SIGKILL, and waits for its end. */
export function startProcess(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): RunningProcess {
  const startedAt = performance.now();
  const child = spawn(command, args, {
    env: { ...ownEnvironment, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  started.add(child);
  child.once("exit", () => started.delete(child));
  const output = keepStart(child.stdout);
  const complaints = keepStart(child.stderr);
  child.on("error", (error) => complaints.push(String(error)));
  const pid = child.pid;
  if (pid === undefined) {
    throw new Error(`${command} cannot be started`);
  }
  const assertAlive = () => {
    if (child.exitCode !== null || child.signalCode !== null) {
      const end = child.signalCode ?? `status ${child.exitCode}`;
      throw new Error(`${command} ended early (${end}): ${output.join("")}${complaints.join("")}`);
    }
  };
  return {
    pid,
    startedAt,
    output: () => output.join(""),
    complaints: () => complaints.join(""),
    assertAlive,
    [Symbol.asyncDispose]: () => end(child),
  };
}

/** Reads a stream to its end, so that the writer never blocks, and keeps only its first 16 KiB. */
function keepStart(stream: NodeJS.ReadableStream): string[] {
  const kept: string[] = [];
  let room = 16 * kibibyte;
  stream.on("data", (chunk: Buffer) => {
    if (room > 0) {
      kept.push(chunk.subarray(0, room).toString());
      room -= chunk.length;
    }
  });
  return kept;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return;
  }
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), exitSecondsMax * 1000);
  await ended;
  clearTimeout(timer);
}

/** Polls every 2 ms, the precision of a start, until `probe` returns a value. */
export async function waitUntil<T>(running: RunningProcess, probe: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + readySecondsMax * 1000;
  while (Date.now() < deadline) {
    running.assertAlive();
    const value = await probe();
    if (value !== undefined) {
      return value;
    }
    await sleep(2);
  }
  throw new Error(`process ${running.pid} was not ready after ${readySecondsMax} s: ${running.output()}`);
}

/** A loopback port that was free a moment ago, for programs that cannot choose and report one. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") {
    throw new Error("no loopback port");
  }
  return address.port;
}

/** User and system seconds of a process, its threads and its children (nginx works in children). */
export function cpuSeconds(pid: number): number {
  // The command in field 2 may contain spaces; field 3 starts after its last parenthesis.
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const own = (Number(fields[11]) + Number(fields[12])) / clockTicksPerSecond;
  return childrenOf(pid).reduce((sum, child) => sum + cpuSeconds(child), own);
}

/** CPU time of the main thread of a process since its start, in milliseconds. */
export function mainThreadMilliseconds(pid: number): number {
  const [nanoseconds] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ");
  return Number(nanoseconds) / 1e6;
}

function childrenOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return children === "" ? [] : children.split(" ").map(Number);
}

/**
 * The largest resident set (VmHWM) of a process and its children, each at its own time, since their start or `forgetPeak`;
 * includes shared pages of its program.
 */
export function peakResidentBytes(pid: number): number {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  const own = Number(line?.[1] ?? Number.NaN) * kibibyte;
  return childrenOf(pid).reduce((sum, child) => sum + peakResidentBytes(child), own);
}

/** Resets the peak to the current value. */
export function forgetPeak(pid: number): void {
  // 5 is the kernel's code for that, see proc(5).
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  childrenOf(pid).forEach(forgetPeak);
}

/** The folder of programs that Debian lacks, filled by .ci/install. */
const toolsFolder = process.env.GANTRY_TOOLS ?? join(homedir(), ".cache", "gantry-tools");
const daemonFolders = ["/usr/sbin", "/usr/local/sbin"];

/** Returns the path of a program in GANTRY_TOOLS, the search path or the folders for daemons; undefined if not installed. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of [toolsFolder, ...(process.env.PATH ?? "").split(delimiter), ...daemonFolders]) {
    const path = join(folder, name);
    const executable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable) {
      return path;
    }
  }
  return undefined;
}

/** Writes back all dirty pages, so that a run does not pay for the previous one. */
export async function syncDisks(): Promise<void> {
  await promisify(execFile)("sync");
}

/** Faster than in Node for a million files. */
export async function removeFolder(folder: string): Promise<void> {
  await promisify(execFile)("rm", ["-rf", folder]);
}
