/**
 * Non-blocking writers for standard output and standard error, one of each per process. If both lead to the same file, they
 * share one writer, so that their lines do not mix.
 */
import { constants, fstatSync, openSync } from "node:fs";
import type { Writable } from "node:stream";
import { isatty } from "node:tty";
import { type LineTarget, LineWriter } from "../lib/line-writer.js";
import { FileTarget } from "./file-target.js";
import { StreamTarget } from "./stream-target.js";

/** Half a minute of a busy server's access log, and a minute of errors and audited requests, which are fewer. */
const waitingBytesMax = { output: 16 * 1024 * 1024, error: 4 * 1024 * 1024 } as const;

const descriptors = { output: 1, error: 2 } as const;

export type StandardStream = keyof typeof descriptors;

const writers = new Map<StandardStream, LineWriter>();

export function standardWriter(name: StandardStream): LineWriter {
  const opened = writers.get(name);
  if (opened !== undefined) return opened;
  const other = writers.get(name === "output" ? "error" : "output");
  const writer =
    other !== undefined && isOnePlace() ? other : new LineWriter(openTarget(name), waitingBytesMax[name]);
  if (writer !== other) process.once("exit", () => writer.writeAtExit());
  writers.set(name, writer);
  return writer;
}

/** Resolves when both are flushed, or after `millisecondsMax`. */
export async function standardSettled(millisecondsMax: number): Promise<void> {
  await Promise.all([...new Set(writers.values())].map((writer) => writer.settled(millisecondsMax)));
}

function openTarget(name: StandardStream): LineTarget {
  const descriptor = descriptors[name];
  const kind = fstatSync(descriptor);
  if (kind.isFIFO() || kind.isSocket()) return new StreamTarget(streamOf(name));
  return FileTarget.of(isatty(descriptor) ? openTerminal(descriptor) : descriptor);
}

function streamOf(name: StandardStream): Writable {
  return name === "output" ? process.stdout : process.stderr;
}

/** Opens a separate file description: the inherited one is shared with the shell, which needs a blocking terminal. */
function openTerminal(descriptor: number): number {
  try {
    return openSync(
      `/proc/self/fd/${descriptor}`,
      constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch {
    return descriptor;
  }
}

function isOnePlace(): boolean {
  const [output, error] = [fstatSync(descriptors.output), fstatSync(descriptors.error)];
  return output.dev === error.dev && output.ino === error.ino;
}
