/** Prints output for people (coloured by the usual rules) or as JSON. */
import type { WriteStream } from "node:tty";
import pico from "picocolors";
import type { Flags, FlagValues, Outcome } from "../commands/command.js";
import { hasColors } from "../lib/colors.js";
import { visibleLine, visibleText } from "../lib/control-characters.js";

export const jsonFlag = {
  json: { type: "boolean", description: "print the report as JSON" },
} as const satisfies Flags;

/** Prints a command's outcome on standard output. */
export function print({ json }: FlagValues, { report, text }: Pick<Outcome, "report" | "text">): void {
  // Names in a store or another registry come from strangers and must not send escape sequences to the terminal.
  const shown = visibleText(json === true ? JSON.stringify(report, null, 2) : text);
  process.stdout.write(`${shown}\n`);
}

/** Prints a line on standard error. */
export function complain(text: string): void {
  process.stderr.write(`gantry: ${visibleLine(text)}\n`);
}

/** Resolves when all output is written. A pipe takes 64 KiB at a time, and exiting would lose the rest. */
export async function printed(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map(flushed));
}

function flushed(stream: WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once("error", () => resolve());
    stream.write("", () => resolve());
  });
}

export function colorsFor(stream: WriteStream) {
  return pico.createColors(hasColors(stream, process.argv.slice(2), process.env));
}
