/**
 * What an operator's command is: the same code answers where it opens the store itself and where a server
 * that has the store runs it. Options and report are JSON, since they may travel.
 */
import type { ParseArgsConfig } from "node:util";
import type { Config } from "../config/config.js";
import type { Services } from "../registry/services.js";

export interface Progress {
  /** What is being done, for a person. */
  readonly what: string;
  readonly done: number;
  /** Absent where nobody knows before the end. */
  readonly total?: number | undefined;
  readonly unit: "bytes" | "repositories";
}

/** What the one who runs a command has of it. */
export interface Task {
  readonly onProgress: (progress: Progress) => void;
  /** Ends the command early: whoever asked for it has gone. */
  readonly signal: AbortSignal;
}

export interface CommandContext extends Task {
  readonly services: Services;
  readonly config: Config;
}

export interface Outcome {
  /** For programs. */
  readonly report: unknown;
  /** The same for people. */
  readonly text: string;
  /** Whether nothing was found wrong. */
  readonly fine: boolean;
}

/** A wrong use of a command; `message` says what is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export type Flags = NonNullable<ParseArgsConfig["options"]>;
export type FlagValues = Readonly<Record<string, string | boolean | undefined>>;

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `--help` says. */
  readonly help: string;
  /** Beside `--help` and `--json`, which every command has. */
  readonly flags: Flags;
  /** The options as they travel. Throws `UsageError`. */
  optionsOf(values: FlagValues): unknown;
  /** Rejects with `UsageError` where the options are not such as `optionsOf` gives. */
  run(context: CommandContext, options: unknown): Promise<Outcome>;
}
