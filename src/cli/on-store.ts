/** The commands that work on a store: parsed here, and run by the process that holds the store. */
import type { Command } from "../commands/command.js";
import type { Entry } from "./entry.js";
import { jsonFlag, print } from "./output.js";
import { settingsFlags, settingsOf } from "./settings.js";

export function onStore(command: Command): Entry {
  return {
    line: { ...command, flags: { ...command.flags, ...jsonFlag, ...settingsFlags } },
    run: async ({ values, parameters }, invocation) => {
      const options = command.optionsOf(values, parameters);
      const { config } = await settingsOf(invocation, values);
      // Imported on demand: it loads the whole registry, and help should print at once.
      const { runOperatorCommand } = await import("./operate.js");
      const outcome = await runOperatorCommand(command, options, config, invocation);
      print(invocation, values, outcome);
      return outcome.fine ? 0 : 1;
    },
  };
}
