/** Prints output for people (coloured by the usual rules) or as JSON. */
import pico from "picocolors";
import type { Flags, FlagValues, Outcome } from "../commands/command.js";
import { hasColors } from "../lib/colors.js";
import { visibleLine, visibleText } from "../lib/control-characters.js";
import type { Invocation, Output } from "./invocation.js";

export const jsonFlag = {
  json: { type: "boolean", description: "print the report as JSON" },
} as const satisfies Flags;

/** Prints a command's outcome on standard output. */
export function print(
  { stdout }: Invocation,
  { json }: FlagValues,
  { report, text }: Pick<Outcome, "report" | "text">,
): void {
  // Names in a store or another registry come from strangers and must not send escape sequences to the terminal.
  const shown = visibleText(json === true ? JSON.stringify(report, null, 2) : text);
  stdout.write(`${shown}\n`);
}

/** Prints a line on standard error. */
export function complain({ stderr }: Invocation, text: string): void {
  stderr.write(`gantry: ${visibleLine(text)}\n`);
}

export function colorsFor(stream: Output, { words, env }: Pick<Invocation, "words" | "env">) {
  return pico.createColors(hasColors(stream, words, env));
}
