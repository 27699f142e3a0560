/**
 * What an operator's command is: the same code answers where it opens the store itself and where a server
 * that has the store runs it. Options and report are JSON, since they may travel.
 *
 * Each command is loaded with the program, to be listed; what its `run` works with is imported there, so that neither
 * help nor a server waits for it.
 *
 * To add a command: a file beside this one that exports a `Command`, and its name in the table of
 * `commands.ts`. The command line, `--help`, shell completion and what a server takes are made from that. A
 * name of two words (`token create`) is a subcommand. `flags` are options that begin with `--`, `parameters`
 * what stands behind the name without them; `optionsOf` makes of both what `run` gets, which checks it with
 * `parseOptions`. Every command has `--help`, `--json` and `--config` without naming them.
 */
import type { Config } from "../config/config.js";
import type { Services } from "../registry/services.js";

export interface Progress {
  /** What is being done, for a person. */
  readonly what: string;
  readonly done: number;
  /** Absent where nobody knows before the end. */
  readonly total?: number | undefined;
  readonly unit: "bytes" | "repositories" | "manifests";
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

export interface Flag {
  readonly type: "boolean" | "string";
  readonly description?: string;
  /** What stands for the value in `--help`, such as TIME. */
  readonly value?: string;
  /** Whether it may be given several times; the value is then a list. */
  readonly multiple?: boolean;
  /** The only values that it takes. */
  readonly choices?: readonly string[];
}

/** By name, without the dashes in front. */
export type Flags = Readonly<Record<string, Flag>>;
/** By the names of `Flags`; a flag that is not given is absent. */
export type FlagValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export interface Parameter {
  /** In capitals, as in `--help`. */
  readonly name: string;
  readonly description: string;
  readonly optional?: boolean;
  /** Whether there may be several; only of the last one. */
  readonly variadic?: boolean;
}

export interface Example {
  readonly command: string;
  /** What it does, in one line. */
  readonly what: string;
}

/** How a command is typed. */
export interface CommandLine {
  /** One word, or two for a subcommand. */
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The paragraphs of `--help` between the first line and the options. */
  readonly help: string;
  readonly flags: Flags;
  readonly parameters?: readonly Parameter[];
  readonly examples: readonly Example[];
}

export interface Command extends CommandLine {
  /** Whether it makes a store where there is none. */
  readonly creates?: boolean;
  /** The options as they travel. `parameters` are as many as there may be. Throws `UsageError`. */
  optionsOf(values: FlagValues, parameters: readonly string[]): unknown;
  /** Rejects with `UsageError` where the options are not such as `optionsOf` gives. */
  run(context: CommandContext, options: unknown): Promise<Outcome>;
}
