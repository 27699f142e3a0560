/** All commands of the command line, in the order of its help. */
import { commands } from "../commands/commands.js";
import { completion } from "./completion.js";
import { configCheck, configReference, configShow } from "./config.js";
import type { Entry } from "./entry.js";
import { onStore } from "./on-store.js";
import { serve } from "./serve.js";
import { version } from "./version.js";

export const entries: readonly Entry[] = [
  serve,
  ...commands.map(onStore),
  configCheck,
  configShow,
  configReference,
  version,
  completion,
];
