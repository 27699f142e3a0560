/** Settings as commands take them: a file that is named, variables of the environment, and what may be passed over. */
import type { Flags, FlagValues } from "../commands/command.js";
import { loadSettings, type Settings } from "../config/config.js";

export const settingsFlags = {
  config: {
    type: "string",
    value: "FILE",
    description: "settings, as YAML; variables of the environment are over it",
  },
  "ignore-unsupported": {
    type: "boolean",
    description: "pass over settings of CNCF distribution's that Gantry does not support",
  },
} as const satisfies Flags;

/** Rejects with `ConfigError`. */
export function settingsOf({
  config,
  "ignore-unsupported": ignoreUnsupported,
}: FlagValues): Promise<Settings> {
  return loadSettings(process.env, {
    file: typeof config === "string" ? config : undefined,
    ignoreUnsupported: ignoreUnsupported === true ? true : undefined,
  });
}
