/** The command line: runs a command and turns errors into exit codes. */
import { UsageError } from "../commands/command.js";
import { ConfigError } from "../config/errors.js";
import { visibleText } from "../lib/control-characters.js";
import { describeError } from "../lib/describe-error.js";
import { runCommandLine } from "./command-line.js";
import { asking, complete } from "./completion.js";
import type { Entry } from "./entry.js";
import type { Invocation } from "./invocation.js";
import { colorsFor } from "./output.js";
import { processWord } from "./process-word.js";
import { serve } from "./serve.js";

/** Runs a command and resolves with its exit code. Never rejects: errors are printed on standard error. */
export async function run(invocation: Invocation): Promise<number> {
  try {
    const [first, ...words] = invocation.words;
    if (first === processWord) {
      const [, member, ...rest] = words;
      return await runCommandLine([serve], { ...invocation, words: rest, member });
    }
    const entries = await entriesFor(first);
    if (first !== asking) return await runCommandLine(entries, invocation);
    await complete(entries, words[0] === "--" ? words.slice(1) : words);
    return 0;
  } catch (error) {
    return report(error, invocation);
  }
}

/** A server does not wait for the modules of the other commands. */
async function entriesFor(word: string | undefined): Promise<readonly Entry[]> {
  return word === serve.line.name ? [serve] : (await import("./entries.js")).entries;
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
