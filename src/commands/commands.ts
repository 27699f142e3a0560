/** The table of the commands that work on a store. */

import { cacheList } from "./cache-list.js";
import { cachePrune } from "./cache-prune.js";
import { cacheStats } from "./cache-stats.js";
import { cacheWarm } from "./cache-warm.js";
import { type Command, type CommandContext, type Outcome, UsageError } from "./command.js";
import { exportCommand } from "./export.js";
import { gc } from "./gc.js";
import { importCommand } from "./import.js";
import { stats } from "./stats.js";
import { tagsHistory, tagsRollback } from "./tags.js";
import { tokenCreate, tokenList, tokenRevoke } from "./token.js";
import { verify } from "./verify.js";

export const commands: readonly Command[] = [
  importCommand,
  exportCommand,
  gc,
  verify,
  stats,
  tagsHistory,
  tagsRollback,
  cacheStats,
  cacheList,
  cachePrune,
  cacheWarm,
  tokenCreate,
  tokenList,
  tokenRevoke,
];

/** Rejects with `UsageError` if the command is unknown or its options are wrong. */
export async function runCommand(name: string, options: unknown, context: CommandContext): Promise<Outcome> {
  const command = commands.find((one) => one.name === name);
  if (command === undefined) throw new UsageError(`there is no command ${name}`);
  return command.run(context, options);
}
