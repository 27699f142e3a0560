/**
 * Common to all client tests: finds out whether the program is installed, runs it within a time limit with a readable error,
 * and provides a temporary folder. Knows no client and no registry.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The folder into which .ci/install puts the Go clients. */
export const toolsFolder = process.env.GANTRY_TOOLS ?? join(homedir(), ".cache", "gantry-tools");

/** The folders in which programs are looked for. */
export const searchPath = [toolsFolder, process.env.PATH, "/usr/sbin", "/sbin"].join(delimiter);

/** The slowest step of any client takes some seconds on two cores; a hung one must not block the suite. */
const runMillisecondsMax = 120_000;
/** A daemon that has not opened its socket by then will not. */
const daemonMillisecondsMax = 60_000;
const outputCharactersMax = 8 * 1024 * 1024;

/** For a test's `skip`: false if all programs are installed, otherwise the reason why the test cannot run. */
export function needs(...programs: readonly string[]): false | string {
  const missing = programs.filter((program) => !isInstalled(program));
  return missing.length > 0 && `not on this machine: ${missing.join(", ")} (.ci/install installs it)`;
}

function isInstalled(program: string): boolean {
  return searchPath.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  readonly millisecondsMax?: number;
}

/** Runs a program to its end and returns its standard output, trimmed. Throws if it fails or takes too long. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const child = spawn(program, args, {
    env: { ...process.env, PATH: searchPath, ...options.env },
    cwd: options.cwd,
    stdio: ["pipe", "pipe", "pipe"],
    timeout: options.millisecondsMax ?? runMillisecondsMax,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout = (stdout + chunk).slice(-outputCharactersMax);
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr = (stderr + chunk).slice(-outputCharactersMax);
  });
  child.stdin.on("error", () => {}); // a program that reads no input may close it first
  child.stdin.end(options.input ?? "");
  const how = await new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code === 0 ? "" : `ended with ${code ?? signal}`));
  });
  if (how === "") return stdout.trim();
  throw new Error(`${program} ${args.join(" ")}\n${how}\n${stdout.slice(-2000)}\n${stderr.slice(-4000)}`);
}

export interface Folder extends AsyncDisposable {
  readonly path: string;
}

/** A folder that is removed at the end of its scope. */
export async function temporaryFolder(): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), "gantry-client-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** Starts a daemon and waits until `probe` succeeds; the daemon is ended, by its own process, with the scope. */
export async function startDaemon(
  program: string,
  args: readonly string[],
  probe: () => Promise<unknown>,
): Promise<AsyncDisposable> {
  const child = spawn(program, args, {
    env: { ...process.env, PATH: searchPath },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const log: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    log.push(chunk);
    if (log.length > 100) log.shift();
  });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  });
  const daemon = {
    async [Symbol.asyncDispose]() {
      await end(child, ended);
      process.removeListener("exit", kill);
    },
  };
  try {
    await answering(child, probe);
  } catch (cause) {
    await daemon[Symbol.asyncDispose]();
    throw new Error(`${program} did not start\n${log.join("").slice(-4000)}`, { cause });
  }
  return daemon;
}

async function answering(child: ChildProcess, probe: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + daemonMillisecondsMax;
  for (;;) {
    try {
      await probe();
      return;
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) throw error;
      await sleep(200);
    }
  }
}

async function end(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill("SIGTERM");
  const alarm = setTimeout(() => child.kill("SIGKILL"), 20_000);
  await ended;
  clearTimeout(alarm);
}
