/** The arguments, environment and streams of a command, which the program's entry reads from its process. */
import type { WriteStream } from "node:tty";
import type { LineStream } from "../observe/standard-streams.js";

/** An output stream, which may be a terminal. */
export type Output = LineStream & Partial<Pick<WriteStream, "columns">>;

export interface Invocation {
  /** The arguments after the program's name. */
  readonly words: readonly string[];
  /** The digits of a process that the first process of a server has started. */
  readonly member?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Calls `interrupt` if the command must end early. Returns a function that removes the callback. */
  onInterrupt(interrupt: () => void): () => void;
}
