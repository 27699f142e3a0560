#!/usr/bin/env node
/** The command line. */
import { parseArgs } from "node:util";
import { type Command, type FlagValues, UsageError } from "./commands/command.js";
import { commands } from "./commands/commands.js";
import { ConfigError } from "./config/config.js";
import { describeError } from "./domain/errors.js";

/**
 * Threads of libuv's pool, where files are read and synced: a sync waits for the disk, and with the
 * default of 4 a few of them would hold up every download. Read by libuv when the pool is first used.
 */
process.env.UV_THREADPOOL_SIZE ??= "16";

const nameWidth = 8;

const exitCodes = `Exit codes: 0 all is fine, 1 something is wrong or failed, 2 wrong usage or settings.
`;

const usage = `Usage: gantry COMMAND [OPTIONS]

  ${"serve".padEnd(nameWidth)}serve the registry
${commands.map(({ name, summary }) => `  ${name.padEnd(nameWidth)}${summary}\n`).join("")}
gantry COMMAND --help tells about each. All but serve work on the store by themselves, and through the
server where one has it. Settings come from the environment:
  REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY   folder for the data (.gantry)

${exitCodes}`;

const serveHelp = `Usage: gantry serve

Serves the registry. Settings come from the environment:
  REGISTRY_HTTP_ADDR                          address and port (127.0.0.1:5000; port 0 picks a free one)
  REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY   folder for the data (.gantry)
`;

async function main([name = "", ...parameters]: readonly string[]): Promise<number> {
  if (name === "--help" || name === "-h") return print(usage);
  if (name === "serve") {
    if (isForHelp(parameters)) return print(serveHelp);
    if (parameters.length > 0) throw new UsageError("serve takes no parameters");
    return (await import("./serve.js")).serve();
  }
  const command = commands.find((one) => one.name === name);
  if (command === undefined)
    throw new UsageError(name === "" ? usage : `there is no command ${name}\n\n${usage}`);
  if (isForHelp(parameters)) return print(`${command.help}\n${exitCodes}`);
  const { json, ...values } = parseFlags(command, parameters);
  const { runOperatorCommand } = await import("./operate.js");
  const { report, text, fine } = await runOperatorCommand(command.name, command.optionsOf(values));
  print(`${json === true ? JSON.stringify(report, null, 2) : text}\n`);
  return fine ? 0 : 1;
}

function isForHelp(parameters: readonly string[]): boolean {
  return parameters.includes("--help") || parameters.includes("-h");
}

function parseFlags({ name, flags }: Command, parameters: readonly string[]): FlagValues {
  try {
    const options = { ...flags, json: { type: "boolean" } as const };
    return parseArgs({ args: [...parameters], options, strict: true }).values as FlagValues;
  } catch (error) {
    throw new UsageError(`${describeError(error)}\nTry gantry ${name} --help.`);
  }
}

function print(text: string): 0 {
  process.stdout.write(text);
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const message = describeError(error);
    process.stderr.write(
      `gantry: ${error instanceof ConfigError ? `these settings are wrong:\n${message}` : message}\n`,
    );
    process.exit(error instanceof ConfigError || error instanceof UsageError ? 2 : 1);
  },
);
