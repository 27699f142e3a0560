/** What is wrong with settings, as values: the message for people is made in one place. */
import { describeError } from "../lib/describe-error.js";

export type Origin =
  | { readonly from: "default" }
  | { readonly from: "file"; readonly file: string; readonly line: number | undefined }
  | { readonly from: "variable"; readonly variable: string };

export interface Problem {
  /** The key, such as `http.addr`; the variable's name where no key has that name; empty for the file as a whole. */
  readonly key: string;
  readonly origin: Origin;
  /** What was given, as it may be shown. */
  readonly value?: string | undefined;
  /** What was expected, and for an unknown key the nearest known one. */
  readonly message: string;
}

/** Settings that no server can start with; `message` names each, what it was, and what was expected. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(
    message: string,
    readonly problems: readonly Problem[] = [],
    /** What was accepted beside. */
    readonly notices: readonly Problem[] = [],
  ) {
    super(message);
  }

  static of(problems: readonly Problem[], notices: readonly Problem[] = []): ConfigError {
    return new ConfigError(problems.map(formatProblem).join("\n"), problems, notices);
  }
}

/** For what a setting leads to and cannot be used: to be rejected with `ConfigError`, which names the setting. */
export function asConfigError(key: string): (error: unknown) => never {
  return (error) => {
    throw error instanceof ConfigError ? error : new ConfigError(`${key}: ${describeError(error)}`);
  };
}

export function formatProblem({ key, origin, value, message }: Problem): string {
  const given = value === undefined ? key : `${key} = ${value}`;
  const where = origin.from === "variable" && origin.variable === key ? undefined : formatOrigin(origin);
  if (given === "" && where !== undefined) return `${where}: ${message}`;
  return `${given}${where === undefined ? "" : ` (${where})`}: ${message}`;
}

/** `undefined` for a default, which nobody gave. */
export function formatOrigin(origin: Origin): string | undefined {
  if (origin.from === "default") return undefined;
  if (origin.from === "variable") return origin.variable;
  return origin.line === undefined ? origin.file : `${origin.file}:${origin.line}`;
}
