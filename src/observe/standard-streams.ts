/**
 * Non-blocking writers for the standard output and standard error of a server. If both lead to the same file, they share one
 * writer, so that their lines do not mix.
 */
import { constants, fstatSync, openSync } from "node:fs";
import type { Writable } from "node:stream";
import { isatty } from "node:tty";
import { hasColors, type MaybeTerminal } from "../lib/colors.js";
import { type LineTarget, LineWriter } from "../lib/line-writer.js";
import { FileTarget } from "./file-target.js";
import { StreamTarget } from "./stream-target.js";

/** Half a minute of a busy server's access log, and a minute of errors and audited requests, which are fewer. */
const waitingBytesMax = { output: 16 * 1024 * 1024, error: 4 * 1024 * 1024 } as const;

export type StandardStream = keyof typeof waitingBytesMax;

/** The streams of a process have a descriptor, other streams need none. */
export type LineStream = Writable & MaybeTerminal & { readonly fd?: number };

export class StandardStreams {
  readonly #writers = new Map<StandardStream, LineWriter>();
  readonly #writeAtExit = () => {
    for (const writer of this.#opened()) writer.writeAtExit();
  };

  /** `words` and `env` are the command line's arguments and environment, which may switch colours on or off. */
  constructor(
    readonly streams: Readonly<Record<StandardStream, LineStream>>,
    readonly words: readonly string[],
    readonly env: NodeJS.ProcessEnv,
  ) {
    process.once("exit", this.#writeAtExit);
  }

  isTerminal(name: StandardStream): boolean {
    return this.streams[name].isTTY === true;
  }

  hasColors(name: StandardStream): boolean {
    return hasColors(this.streams[name], this.words, this.env);
  }

  /** Returns the writer of a stream, opened at the first call. */
  writer(name: StandardStream): LineWriter {
    const opened = this.#writers.get(name);
    if (opened !== undefined) return opened;
    const other = this.#writers.get(name === "output" ? "error" : "output");
    const { output, error } = this.streams;
    const writer =
      other !== undefined && isOnePlace(output, error)
        ? other
        : new LineWriter(targetOf(this.streams[name]), waitingBytesMax[name]);
    this.#writers.set(name, writer);
    return writer;
  }

  /** Resolves when both are flushed, or after `millisecondsMax`; the remaining lines are then written when the process exits. */
  async close(millisecondsMax: number): Promise<void> {
    const settled = await Promise.all(this.#opened().map((writer) => writer.settled(millisecondsMax)));
    if (settled.every(Boolean)) process.off("exit", this.#writeAtExit);
  }

  #opened(): LineWriter[] {
    return [...new Set(this.#writers.values())];
  }
}

function targetOf(stream: LineStream): LineTarget {
  const { fd } = stream;
  if (fd === undefined) return new StreamTarget(stream);
  const kind = fstatSync(fd);
  if (kind.isFIFO() || kind.isSocket()) return new StreamTarget(stream);
  return FileTarget.of(isatty(fd) ? openTerminal(fd) : fd);
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

function isOnePlace({ fd: output }: LineStream, { fd: error }: LineStream): boolean {
  if (output === undefined || error === undefined) return false;
  const [one, other] = [fstatSync(output), fstatSync(error)];
  return one.dev === other.dev && one.ino === other.ino;
}
