/** Runs the command line in this process: with its arguments, its environment, its output and its signals. */
import type { Writable } from "node:stream";
import { run } from "./run.js";

export { run };

/** Ends the process. */
export async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const code = await run({
    words,
    env: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
    onInterrupt: (interrupt) => {
      process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
      return () => process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    },
  });
  // A server has already waited for its output, with its own time limit.
  if (words[0] !== "serve") await printed();
  process.exit(code);
}

/** Resolves when all output is written. A pipe takes 64 KiB at a time, and exiting would lose the rest. */
async function printed(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map(flushed));
}

function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    stream.once("error", () => resolve());
    stream.write("", () => resolve());
  });
}
