/** How what is said looks: colours by the usual rules, and JSON where it is asked for. */
import type { WriteStream } from "node:tty";
import pico from "picocolors";
import type { Flags, FlagValues, Outcome } from "../commands/command.js";

export const jsonFlag = {
  json: { type: "boolean", description: "print the report as JSON" },
} as const satisfies Flags;

/** A command's outcome, on standard output. */
export function print({ json }: FlagValues, { report, text }: Pick<Outcome, "report" | "text">): void {
  process.stdout.write(`${json === true ? JSON.stringify(report, null, 2) : text}\n`);
}

/**
 * `--no-color` and `NO_COLOR` (of any text but none) before `FORCE_COLOR`; else colours are for a terminal
 * that has them.
 */
export function hasColors(
  stream: Partial<WriteStream>,
  parameters: readonly string[],
  env: NodeJS.ProcessEnv,
) {
  if (parameters.includes("--no-color") || (env.NO_COLOR ?? "") !== "") return false;
  if (env.FORCE_COLOR !== undefined) return !["0", "false"].includes(env.FORCE_COLOR);
  return stream.isTTY === true && (stream.hasColors?.(env) ?? false);
}

export function colorsFor(stream: WriteStream) {
  return pico.createColors(hasColors(stream, process.argv.slice(2), process.env));
}
