/** Errors in settings, as values; one place formats the message. */
import { describeError } from "../lib/describe-error.js";

export type Origin =
  | { readonly from: "default" }
  | { readonly from: "file"; readonly file: string; readonly line: number | undefined }
  | { readonly from: "variable"; readonly variable: string };

export interface Problem {
  /** The key, such as `http.addr`; the variable's name if there is no such key; empty for the file as a whole. */
  readonly key: string;
  readonly origin: Origin;
  /** The given value, in a form that may be shown. */
  readonly value?: string | undefined;
  /** What was expected or, for an unknown key, the nearest known one. */
  readonly message: string;
}

/** Settings with which no server can start. `message` names each, its value, and what was expected. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(
    message: string,
    readonly problems: readonly Problem[] = [],
    /** Notices about the accepted settings. */
    readonly notices: readonly Problem[] = [],
  ) {
    super(message);
  }

  static of(problems: readonly Problem[], notices: readonly Problem[] = []): ConfigError {
    return new ConfigError(problems.map(formatProblem).join("\n"), problems, notices);
  }
}

/** Converts an error of using a setting's value (such as its file) into a `ConfigError` that names the setting. */
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

/** Returns `undefined` for a default. */
export function formatOrigin(origin: Origin): string | undefined {
  if (origin.from === "default") return undefined;
  if (origin.from === "variable") return origin.variable;
  return origin.line === undefined ? origin.file : `${origin.file}:${origin.line}`;
}
