import type { WriteStream } from "node:tty";

/** The properties of a stream that show whether it is a terminal with colors. */
export type MaybeTerminal = Partial<Pick<WriteStream, "isTTY" | "hasColors">>;

/**
 * Returns whether to write colors to `stream`. `--no-color` and a non-empty `NO_COLOR` win over `FORCE_COLOR`. Without
 * any of them, only a terminal that can show colors gets them.
 */
export function hasColors(stream: MaybeTerminal, parameters: readonly string[], env: NodeJS.ProcessEnv) {
  if (parameters.includes("--no-color") || (env.NO_COLOR ?? "") !== "") return false;
  if (env.FORCE_COLOR !== undefined) return !["0", "false"].includes(env.FORCE_COLOR);
  return stream.isTTY === true && (stream.hasColors?.(env) ?? false);
}
