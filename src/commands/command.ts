/**
 * The definition of an operator's command. The same code runs in the command's own process and in a server that has the
 * store open. Options and report are JSON, because they may travel between the two.
 *
 * The program loads every command to list it. `run` imports its dependencies itself, so that neither help nor a server
 * waits for them.
 *
 * To add a command, export a `Command` from a file beside this one and add it to the table in `commands.ts`. The command
 * line, `--help`, shell completion and the server's commands derive from that table. A name of two words (`token create`)
 * is a subcommand. `flags` are options that begin with `--`; `parameters` are the positional arguments. `optionsOf`
 * converts both to the options for `run`, which checks them with `parseOptions`. Every command has `--help`, `--json` and
 * `--config` without naming them.
 */
import type { Config } from "../config/config.js";
import type { Services } from "../registry/services.js";
import type { OtherStores } from "../transfer/other-stores.js";
import type { UpstreamCache } from "../upstream/cache.js";

export interface Progress {
  /** The current work, for display. */
  readonly what: string;
  readonly done: number;
  /** Absent if it is unknown before the end. */
  readonly total?: number | undefined;
  readonly unit: "bytes" | "repositories" | "manifests";
}

/** How the caller observes and stops a running command. */
export interface Task {
  readonly onProgress: (progress: Progress) => void;
  /** Ends the command early, because its caller has disconnected. */
  readonly signal: AbortSignal;
}

export interface CommandContext extends Task {
  /** The module behind it is loaded when it is called. */
  readonly otherStores: () => Promise<OtherStores>;
  readonly services: Services;
  readonly config: Config;
  /** The running cache; absent outside of a server, and if the registry caches no others. */
  readonly upstreams?: UpstreamCache | undefined;
}

export interface Outcome {
  /** The outcome for programs. */
  readonly report: unknown;
  /** The outcome for people. */
  readonly text: string;
  /** Whether no problem was found. */
  readonly fine: boolean;
}

/** Wrong usage of a command; `message` describes the error. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export interface Flag {
  readonly type: "boolean" | "string";
  readonly description?: string;
  /** Placeholder for the value in `--help`, such as TIME. */
  readonly value?: string;
  /** Whether it may be given several times; the value is then a list. */
  readonly multiple?: boolean;
  /** The only accepted values. */
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
  /** Whether it may repeat; only for the last parameter. */
  readonly variadic?: boolean;
}

export interface Example {
  readonly command: string;
  /** What it does, in one line. */
  readonly what: string;
}

/** The command-line form of a command. */
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
  /** Whether it creates a store if there is none. */
  readonly creates?: boolean;
  /** Converts flags and at most the declared `parameters` to JSON options. Throws `UsageError`. */
  optionsOf(values: FlagValues, parameters: readonly string[]): unknown;
  /** Rejects with `UsageError` if the options do not have the form that `optionsOf` returns. */
  run(context: CommandContext, options: unknown): Promise<Outcome>;
}
