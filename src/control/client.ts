/** Asks the server that has the store open to run an operator's command. */
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import { type Outcome, type Task, UsageError } from "../commands/command.js";
import { isTooLong, type Message, message, runPath } from "./messages.js";

/** Error codes for a socket without a listener. */
const noListener = new Set(["ENOENT", "ECONNREFUSED", "ENOTDIR"]);

/** Error codes for a connection whose other side has ended. */
const brokenConnection = new Set(["ECONNRESET", "EPIPE"]);

/**
 * Resolves with the outcome, or with `undefined` if no server listens on the socket. Rejects with the server's error, or if
 * the connection breaks.
 */
export async function askServer(
  socketPath: string,
  command: string,
  options: unknown,
  { onProgress, signal }: Task,
): Promise<Outcome | undefined> {
  if (isTooLong(socketPath)) return undefined;
  const outgoing = request({ socketPath, method: "POST", path: runPath, signal });
  outgoing.end(JSON.stringify({ command, options }));
  let incoming: IncomingMessage;
  try {
    [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  } catch (error) {
    if (noListener.has((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw broken(error, command, signal);
  }
  for await (const line of linesOf(incoming, command, signal)) {
    const said: Message = message.parse(JSON.parse(line));
    if ("outcome" in said) return said.outcome;
    if ("failure" in said) throw said.usage ? new UsageError(said.failure) : new Error(said.failure);
    onProgress(said.progress);
  }
  throw new Error(ended(command));
}

async function* linesOf(
  incoming: IncomingMessage,
  command: string,
  signal: AbortSignal,
): AsyncIterable<string> {
  try {
    yield* createInterface({ input: incoming });
  } catch (error) {
    throw broken(error, command, signal);
  }
}

/** Returns the error for one of the connection. */
function broken(error: unknown, command: string, signal: AbortSignal): unknown {
  if (signal.aborted)
    return new Error(
      `gantry ${command} was interrupted, and the server ends it, too; run it again for a report`,
      { cause: signal.reason },
    );
  const isLost = brokenConnection.has((error as NodeJS.ErrnoException).code ?? "");
  return isLost ? new Error(ended(command), { cause: error }) : error;
}

function ended(command: string): string {
  return `the server ended before gantry ${command} did, which may have done a part of its work: see the server's log, and run the command again`;
}
