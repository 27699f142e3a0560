/** Reads settings for commands, from `--config` and the environment. */
import { createHash } from "node:crypto";
import type { Flags, FlagValues } from "../commands/command.js";
import { loadSettings, type Settings } from "../config/config.js";
import type { Invocation } from "./invocation.js";

export const settingsFlags = {
  config: {
    type: "string",
    value: "FILE",
    description: "settings file (YAML); environment variables override it",
  },
  "ignore-unsupported": {
    type: "boolean",
    description: "ignore CNCF distribution settings that Gantry does not support",
  },
} as const satisfies Flags;

/** Rejects with `ConfigError`. */
export function settingsOf(
  { env }: Invocation,
  { config, "ignore-unsupported": ignoreUnsupported }: FlagValues,
): Promise<Settings> {
  return loadSettings(env, {
    file: typeof config === "string" ? config : undefined,
    ignoreUnsupported: ignoreUnsupported === true ? true : undefined,
  });
}

/** Changes with the settings, except secrets. */
export function fingerprintOf({ effective }: Settings): string {
  return createHash("sha256").update(JSON.stringify(effective)).digest("hex");
}
