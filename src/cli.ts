/** The command line: what it does is in the tables of commands; here they meet, and errors become exit codes. */
import { runCommandLine } from "./cli/command-line.js";
import { asking, complete, completion } from "./cli/completion.js";
import { configCheck, configReference, configShow } from "./cli/config.js";
import { onStore } from "./cli/on-store.js";
import { colorsFor } from "./cli/output.js";
import { serve } from "./cli/serve.js";
import { version } from "./cli/version.js";
import { UsageError } from "./commands/command.js";
import { commands } from "./commands/commands.js";
import { ConfigError } from "./config/errors.js";
import { describeError } from "./domain/errors.js";

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

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const message = describeError(error);
    const { red } = colorsFor(process.stderr);
    process.stderr.write(
      `${red("gantry:")} ${error instanceof ConfigError ? `these settings are wrong:\n${message}` : message}\n`,
    );
    process.exit(error instanceof ConfigError || error instanceof UsageError ? 2 : 1);
  },
);
