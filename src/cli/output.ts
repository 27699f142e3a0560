/** How what is said looks: colours by the usual rules, and JSON where it is asked for. */
import type { WriteStream } from "node:tty";
import pico from "picocolors";
import type { Flags, FlagValues, Outcome } from "../commands/command.js";
import { hasColors } from "../lib/colors.js";
import { visibleLine, visibleText } from "../lib/control-characters.js";

export const jsonFlag = {
  json: { type: "boolean", description: "print the report as JSON" },
} as const satisfies Flags;

/** A command's outcome, on standard output. */
export function print({ json }: FlagValues, { report, text }: Pick<Outcome, "report" | "text">): void {
  // What a store or another registry contains was chosen by others, and must not command the terminal.
  const shown = visibleText(json === true ? JSON.stringify(report, null, 2) : text);
  process.stdout.write(`${shown}\n`);
}

/** A line on standard error. */
export function complain(text: string): void {
  process.stderr.write(`gantry: ${visibleLine(text)}\n`);
}

/** Waits until what was printed is out: a pipe takes 64 KiB at a time, and what waits is lost when the process exits. */
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
