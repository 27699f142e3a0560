/** The command line: combines the tables of commands and turns errors into exit codes. */

import { UsageError } from "../commands/command.js";
import { commands } from "../commands/commands.js";
import { ConfigError } from "../config/errors.js";
import { visibleText } from "../lib/control-characters.js";
import { describeError } from "../lib/describe-error.js";
import { runCommandLine } from "./command-line.js";
import { asking, complete, completion } from "./completion.js";
import { configCheck, configReference, configShow } from "./config.js";
import { onStore } from "./on-store.js";
import { colorsFor, printed } from "./output.js";
import { serve } from "./serve.js";
import { version } from "./version.js";

const entries = [
  serve,
  ...commands.map(onStore),
  configCheck,
  configShow,
  configReference,
  version,
  completion,
];

async function main([first, ...words]: readonly string[]): Promise<number> {
  if (first !== asking) return runCommandLine(entries, first === undefined ? [] : [first, ...words]);
  await complete(entries, words[0] === "--" ? words.slice(1) : words);
  return 0;
}

/** Prints an error on standard error and returns the exit code. */
function report(error: unknown): number {
  const { red } = colorsFor(process.stderr);
  const message = visibleText(describeError(error));
  process.stderr.write(
    `${red("gantry:")} ${error instanceof ConfigError ? `these settings are wrong:\n${message}` : message}\n`,
  );
  return error instanceof ConfigError || error instanceof UsageError ? 2 : 1;
}

const code = await main(process.argv.slice(2)).catch(report);
// A server has already waited for its output, with a time limit of its own.
if (process.argv[2] !== "serve") await printed();
process.exit(code);
