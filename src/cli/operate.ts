/**
 * Runs an operator's command: in the server that has the store open, or in this process if none has. Part of the
 * composition root.
 */
import { setMaxListeners } from "node:events";
import { pino } from "pino";
import type { Command, Outcome, Task } from "../commands/command.js";
import { runCommand } from "../commands/commands.js";
import type { Config } from "../config/config.js";
import { askServer } from "../control/client.js";
import { isTooLong } from "../control/messages.js";
import { Closers } from "../lib/closers.js";
import { openOtherStores } from "../server/commands.js";
import { controlSocketOf } from "../server/control-socket.js";
import { closingFailed, escaped } from "../server/log.js";
import { openServices } from "../server/services.js";
import { StoreInUse } from "../storage/store-in-use.js";
import type { Invocation } from "./invocation.js";
import { ProgressDisplay } from "./progress.js";

/** Rejects with `UsageError`, or with the error of the store or the server. */
export async function runOperatorCommand(
  { name, creates: create = false }: Command,
  options: unknown,
  config: Config,
  invocation: Invocation,
): Promise<Outcome> {
  const controlSocket = controlSocketOf(config);
  const interrupted = new AbortController();
  // Each concurrent read of a command listens.
  setMaxListeners(0, interrupted.signal);
  const ignoreInterrupts = invocation.onInterrupt(() =>
    interrupted.abort(new Error("it got a signal to stop")),
  );
  const display = new ProgressDisplay(invocation);
  const task: Task = { onProgress: (progress) => display.show(progress), signal: interrupted.signal };
  try {
    const answered = await askServer(controlSocket, name, options, task);
    if (answered !== undefined) return answered;
    const log = pino({ level: "error" }, escaped(invocation.stderr));
    const closers = new Closers((error, what) => log.error({ err: error, what }, closingFailed));
    try {
      const { services } = await openServices(
        { config, log, closers },
        {
          serving: false,
          create,
          onStoreLost: (why) => interrupted.abort(new Error(why)),
        },
      );
      return await runCommand(name, options, {
        services,
        config,
        otherStores: openOtherStores({ config, log }),
        ...task,
      });
    } catch (error) {
      throw error instanceof StoreInUse ? unreachable(error, controlSocket) : error;
    } finally {
      await closers.close();
    }
  } finally {
    display.end();
    ignoreInterrupts();
  }
}

/** The error for a store that another process holds without accepting commands. */
function unreachable(cause: StoreInUse, controlSocket: string): Error {
  return isTooLong(controlSocket)
    ? new Error(
        `the server accepts no commands because the path ${controlSocket} is too long for a socket; stop the server first, or give the store a shorter path`,
        { cause },
      )
    : new Error(
        "another gantry process holds this store and accepts no commands from here: it runs on another machine or as another user, or it is starting, stopping or running a command; run this command there, try again, or stop it",
        { cause },
      );
}
