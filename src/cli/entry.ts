/** The definition of a command on the command line: its syntax and its action. */
import type { CommandLine, FlagValues } from "../commands/command.js";
import type { Invocation } from "./invocation.js";

export interface Typed {
  readonly values: FlagValues;
  readonly parameters: readonly string[];
}

export interface Entry {
  readonly line: CommandLine;
  /** The exit code. */
  run(typed: Typed, invocation: Invocation): Promise<number>;
}
