// Runs an operator's command as an operator would, and gives back all that it said.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cli } from "./cli.js";

/** A command on a test's small store takes a second; past this it counts as hung. */
const commandMillisecondsMax = 30_000;

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  json<T>(): T;
}

/**
 * Runs `gantry` with these parameters on the store in `root`, whether a server has it or not. `prefix` is a
 * program that runs another, such as one that changes the user.
 */
export function gantry(
  root: string,
  parameters: readonly string[],
  settings: Readonly<Record<string, string>> = {},
  prefix: readonly string[] = [],
): Promise<Ran> {
  return startCommand(root, parameters, settings, prefix).ended;
}

/** The same for who does not wait for its end: with the process, to end it early. */
export function startCommand(
  root: string,
  parameters: readonly string[],
  settings: Readonly<Record<string, string>> = {},
  prefix: readonly string[] = [],
): { readonly child: ChildProcess; readonly ended: Promise<Ran> } {
  const [program = process.execPath, ...rest] = [...prefix, process.execPath, cli, ...parameters];
  const child = spawn(program, rest, {
    env: { ...process.env, REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root, ...settings },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: commandMillisecondsMax,
  });
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    child[stream].on("data", (chunk) => {
      said[stream] += String(chunk);
    });
  const ended = once(child, "close").then(([code]) => ({
    code: code as number | null,
    ...said,
    json: <T>() => JSON.parse(said.stdout) as T,
  }));
  return { child, ended };
}
