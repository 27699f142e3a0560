/** The command line: combines the tables of commands and turns errors into exit codes. */
import { UsageError } from "../commands/command.js";
import { commands } from "../commands/commands.js";
import { ConfigError } from "../config/errors.js";
import { visibleText } from "../lib/control-characters.js";
import { describeError } from "../lib/describe-error.js";
import { runCommandLine } from "./command-line.js";
import { asking, complete, completion } from "./completion.js";
import { configCheck, configReference, configShow } from "./config.js";
import type { Invocation } from "./invocation.js";
import { onStore } from "./on-store.js";
import { colorsFor } from "./output.js";
import { processWord } from "./process-word.js";
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

/** Runs a command and resolves with its exit code. Never rejects: errors are printed on standard error. */
export async function run(invocation: Invocation): Promise<number> {
  try {
    const [first, ...words] = invocation.words;
    if (first === processWord) {
      const [, member, ...rest] = words;
      return await runCommandLine(entries, { ...invocation, words: rest, member });
    }
    if (first !== asking) return await runCommandLine(entries, invocation);
    await complete(entries, words[0] === "--" ? words.slice(1) : words);
    return 0;
  } catch (error) {
    return report(error, invocation);
  }
}

/** Prints an error on standard error and returns the exit code. */
function report(error: unknown, invocation: Invocation): number {
  const { red } = colorsFor(invocation.stderr, invocation);
  const message = visibleText(describeError(error));
  invocation.stderr.write(
    `${red("gantry:")} ${error instanceof ConfigError ? `these settings are wrong:\n${message}` : message}\n`,
  );
  return error instanceof ConfigError || error instanceof UsageError ? 2 : 1;
}
