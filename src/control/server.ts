/**
 * Takes the commands of operators while the server runs, on a socket in the store's folder that only the
 * server's own user may open. Knows nothing of what the commands do.
 */
import { unlink } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { z } from "zod";
import { type Outcome, type Progress, type Task, UsageError } from "../commands/command.js";
import { describeError } from "../lib/describe-error.js";
import { isTooLong, type Message, request, runPath, socketPathBytesMax } from "./messages.js";

export interface ControlOptions {
  readonly run: (command: string, options: unknown, task: Task) => Promise<Outcome>;
  /** Told of what went wrong behind an answer. */
  readonly onError: (error: unknown) => void;
}

export interface Control {
  /** Ends what runs, and removes the socket. */
  close(): Promise<void>;
}

const requestBytesMax = 64 * 1024;

/** Between two lines that tell of progress. */
const progressMilliseconds = 100;

/** To be called with the store locked: a socket that is there already is one that a crash has left. */
export async function listenForCommands(path: string, options: ControlOptions): Promise<Control> {
  if (isTooLong(path))
    throw new Error(`${path} is longer than the ${socketPathBytesMax} bytes that a socket's path may have`);
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
    // The socket is made in the call, and nobody else may open it, not for a moment either.
    const mask = process.umask(0o177);
    server.listen(path, resolve);
    process.umask(mask);
  });
  server.on("error", options.onError);
  return {
    close: async () => {
      stopping.abort(new Error("the server stops"));
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
  response.once("close", () => gone.abort(new Error("whoever asked has gone")));
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
  try {
    const onProgress = throttled((progress) => send({ progress }), response);
    send({ outcome: await run(command, options, { onProgress, signal }) });
  } catch (error) {
    send({ failure: describeError(error), usage: error instanceof UsageError });
  }
  response.end();
}

/** Passes on some of the progress; none while the one who asked does not read. */
function throttled(send: (progress: Progress) => void, response: ServerResponse): Task["onProgress"] {
  let next = 0;
  return (progress) => {
    const now = Date.now();
    if (now < next || response.writableNeedDrain || response.destroyed) return;
    next = now + progressMilliseconds;
    send(progress);
  };
}

/** What is asked for, or the status of an answer to what cannot be understood. */
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
