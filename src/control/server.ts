/**
 * Accepts operators' commands while the server runs, on a socket in the store's directory that only the server's user may
 * open. Does not know what the commands do.
 */
import { setMaxListeners } from "node:events";
import { unlink } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { z } from "zod";
import { type Outcome, type Progress, type Task, UsageError } from "../commands/command.js";
import { describeError } from "../lib/describe-error.js";
import { isTooLong, type Message, request, runPath, socketPathBytesMax } from "./messages.js";

export interface ControlOptions {
  readonly run: (command: string, options: unknown, task: Task) => Promise<Outcome>;
  /** Called for errors that the response cannot report. */
  readonly onError: (error: unknown) => void;
}

export interface Control {
  /** Aborts running commands and removes the socket. */
  close(): Promise<void>;
}

const requestBytesMax = 64 * 1024;

/** Minimum time between two progress lines. */
const progressMilliseconds = 100;

/** Call it with the store locked, so that an existing socket is a leftover from a crash. */
export async function listenForCommands(path: string, options: ControlOptions): Promise<Control> {
  if (isTooLong(path))
    throw new Error(`${path} is longer than ${socketPathBytesMax} bytes, the maximum for a socket's path`);
  await unlink(path).catch(() => {});
  const running = new Set<Promise<void>>();
  const stopping = new AbortController();
  const server = createServer((incoming, response) => {
    const answered = answer(incoming, response, options, stopping.signal)
      .catch(options.onError)
      .finally(() => running.delete(answered));
    running.add(answered);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    // `listen` creates the socket; the umask keeps other users out from its first moment.
    const mask = process.umask(0o177);
    server.listen(path, resolve);
    process.umask(mask);
  });
  server.on("error", options.onError);
  return {
    close: async () => {
      stopping.abort(new Error("the server is stopping"));
      const closed = new Promise((resolve) => server.close(resolve));
      await Promise.all(running);
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  incoming: IncomingMessage,
  response: ServerResponse,
  { run }: ControlOptions,
  stopping: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the client has disconnected")));
  if (incoming.method !== "POST" || incoming.url !== runPath) {
    response.writeHead(404).end();
    return;
  }
  const asked = await read(incoming);
  if (typeof asked === "number") {
    response.writeHead(asked, { Connection: "close" }).end();
    return;
  }
  const { command, options } = asked;
  response.writeHead(200, { "Content-Type": "application/x-ndjson" });
  const send = (line: Message) => response.write(`${JSON.stringify(line)}\n`);
  const signal = AbortSignal.any([gone.signal, stopping]);
  // Each concurrent read of a command listens.
  setMaxListeners(0, signal);
  try {
    const onProgress = throttled((progress) => send({ progress }), response);
    send({ outcome: await run(command, options, { onProgress, signal }) });
  } catch (error) {
    send({ failure: describeError(error), usage: error instanceof UsageError });
  }
  response.end();
}

/** Passes on some of the progress, and none while the client does not read. */
function throttled(send: (progress: Progress) => void, response: ServerResponse): Task["onProgress"] {
  let next = 0;
  return (progress) => {
    const now = Date.now();
    if (now < next || response.writableNeedDrain || response.destroyed) return;
    next = now + progressMilliseconds;
    send(progress);
  };
}

/** Returns the request, or the status for one that cannot be understood. */
async function read(incoming: IncomingMessage): Promise<z.infer<typeof request> | 400 | 413> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > requestBytesMax) return 413;
    chunks.push(chunk);
  }
  try {
    return request.parse(JSON.parse(Buffer.concat(chunks).toString()));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return 400;
    throw error;
  }
}
