// Runs an operator's command, and returns all its output.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { cli } from "./cli.js";
import { oneWorker, runInside } from "./inside.js";

/** A command on a test's small store takes a second; after this time it counts as hung. */
const commandMillisecondsMax = 30_000;

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  json<T>(): T;
}

type Settings = Readonly<Record<string, string>>;

/** Runs `gantry` with these words on the store in `root`, whether or not a server holds it, within this process. */
export async function gantry(root: string, words: readonly string[], settings: Settings = {}): Promise<Ran> {
  const said = { stdout: "", stderr: "" };
  const { ended, interrupt } = runInside(words, {
    env: { ...environmentOf(root), ...oneWorker, ...settings },
    onOutput: (text) => {
      said.stdout += text;
    },
    onError: (text) => {
      said.stderr += text;
    },
  });
  const late = new AbortController();
  const code = await Promise.race([
    ended,
    pause(commandMillisecondsMax, null, { signal: late.signal }).catch(() => null),
  ]);
  late.abort();
  if (code === null) interrupt();
  return ranOf(code, said);
}

/**
 * Runs it as a process, for tests of process properties: exit code, signals, streams, user. `prefix` is a program that runs
 * another one, such as one that changes the user.
 */
export function gantryProcess(
  root: string,
  words: readonly string[],
  settings: Settings = {},
  prefix: readonly string[] = [],
): Promise<Ran> {
  return startCommand(root, words, settings, prefix).ended;
}

/** Like it, without waiting for its end: returns the process, to end it early. */
export function startCommand(
  root: string,
  words: readonly string[],
  settings: Settings = {},
  prefix: readonly string[] = [],
): { readonly child: ChildProcess; readonly ended: Promise<Ran> } {
  const [program = process.execPath, ...rest] = [...prefix, process.execPath, cli, ...words];
  const child = spawn(program, rest, {
    env: { ...process.env, ...environmentOf(root), ...settings },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: commandMillisecondsMax,
  });
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    child[stream].on("data", (chunk) => {
      said[stream] += String(chunk);
    });
  const ended = once(child, "close").then(([code]) => ranOf(code as number | null, said));
  return { child, ended };
}

function environmentOf(root: string): Settings {
  return { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root };
}

function ranOf(code: number | null, said: Pick<Ran, "stdout" | "stderr">): Ran {
  return { code, ...said, json: <T>() => JSON.parse(said.stdout) as T };
}
