/** The command line: what it does is in the tables of commands; here they meet, and errors become exit codes. */
import { type Entry, runCommandLine } from "./command-line.js";
import { type Command, type Flags, type FlagValues, UsageError } from "./commands/command.js";
import { commands } from "./commands/commands.js";
import { ConfigError } from "./config/errors.js";
import { describeError } from "./domain/errors.js";

const settingsFlags: Flags = {
  config: {
    type: "string",
    value: "FILE",
    description: "settings, as YAML; variables REGISTRY_… are over it",
  },
  "ignore-unsupported": {
    type: "boolean",
    description: "pass over settings of CNCF distribution's that Gantry does not support",
  },
};

const serve: Entry = {
  line: {
    name: "serve",
    summary: "serve the registry",
    help: `Serves the registry until it is told to stop (SIGTERM). Settings come from a file and from variables of the
environment.`,
    flags: settingsFlags,
    parameters: [{ name: "FILE", description: "settings, as with --config", optional: true }],
    examples: [
      { command: "gantry serve", what: "on this machine only, data in .gantry" },
      { command: "gantry serve --config /etc/gantry/config.yml", what: "with the settings of a file" },
      { command: "REGISTRY_HTTP_ADDR=:5000 gantry serve", what: "on all interfaces" },
    ],
  },
  run: async ({ values, parameters: [file] }) => {
    const settings = await loadSettings(file === undefined ? values : { ...values, config: file });
    return (await import("./serve.js")).serve(settings);
  },
};

/** A command on a store, run where the store is. */
function onStore(command: Command): Entry {
  const json = { type: "boolean", description: "print the report as JSON" } as const;
  return {
    line: { ...command, flags: { ...command.flags, json, ...settingsFlags } },
    run: async ({ values, parameters }) => {
      const options = command.optionsOf(values, parameters);
      const { config } = await loadSettings(values);
      const { runOperatorCommand } = await import("./operate.js");
      const { report, text, fine } = await runOperatorCommand(command, options, config);
      process.stdout.write(`${values.json === true ? JSON.stringify(report, null, 2) : text}\n`);
      return fine ? 0 : 1;
    },
  };
}

async function loadSettings({ config, "ignore-unsupported": ignoreUnsupported }: FlagValues) {
  const { loadSettings: load } = await import("./config/config.js");
  return load(process.env, {
    file: typeof config === "string" ? config : undefined,
    ignoreUnsupported: ignoreUnsupported === true ? true : undefined,
  });
}

runCommandLine([serve, ...commands.map(onStore)], process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const message = describeError(error);
    process.stderr.write(
      `gantry: ${error instanceof ConfigError ? `these settings are wrong:\n${message}` : message}\n`,
    );
    process.exit(error instanceof ConfigError || error instanceof UsageError ? 2 : 1);
  },
);
