/** Opens the access log on standard output, as CNCF distribution has it. Part of the composition root. */
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { type Logger, pino } from "pino";
import type { Config } from "./config/config.js";
import type { Observer } from "./http/app.js";
import { formatOf, readable } from "./log.js";
import { accessLog } from "./observe/access-log.js";
import { LineBatch } from "./observe/line-batch.js";

export interface OpenedAccessLog {
  readonly observer: Observer;
  /** Resolves when all lines are out, or their reader has not taken them for long. */
  close(): Promise<void>;
}

/** Lines that wait for a reader who has stopped: half a minute of a busy server. What comes then is dropped and counted. */
const waitingBytesMax = 16 * 1024 * 1024;

/** The rest follows in one line. */
const textOptions = {
  messageFormat: "{method} {path} {status}",
  ignore: "log,method,path,status",
  singleLine: true,
} as const;

const closeMillisecondsMax = 2_000;

/** A drop is told of so often. */
const toldEveryMilliseconds = 10_000;

export async function openAccessLog(
  config: Config["log"],
  log: Logger,
): Promise<OpenedAccessLog | undefined> {
  if (config.accesslog.disabled) return undefined;
  const format = formatOf(config, process.stdout);
  const contentMode = format === "text" ? "utf8" : "buffer";
  // Not in step with the requests: a disk or a reader that is slow must keep nobody waiting.
  const destination = pino.destination({ dest: 1, sync: false, maxLength: waitingBytesMax, contentMode });
  destination.on("error", (error) => log.error({ err: error }, "the access log cannot be written"));
  let dropped = 0;
  destination.on("drop", (lines: string | Uint8Array) => {
    dropped += linesIn(lines);
  });
  const telling = setInterval(() => {
    if (dropped > 0) log.warn({ dropped }, "lines of the access log were dropped: nobody takes them");
    dropped = 0;
  }, toldEveryMilliseconds).unref();
  // pino's types know of text only.
  const writeBytes = destination.write as unknown as (bytes: Uint8Array) => boolean;
  const batch = new LineBatch((lines) => void writeBytes.call(destination, lines));
  const stream = format === "text" ? await readable(process.stdout, { destination, ...textOptions }) : batch;
  let closed = false;
  return {
    observer: accessLog({
      names: format === "logstash" ? "logstash" : "pino",
      fields: config.fields,
      write: (line) => {
        // A request that did not end in time may end when the log has: to write then would be an exception.
        if (!closed) stream.write(line);
      },
    }),
    close: async () => {
      closed = true;
      clearInterval(telling);
      batch.flush();
      const ended = once(destination, "close");
      destination.end();
      await Promise.race([ended, setTimeout(closeMillisecondsMax, undefined, { ref: false })]);
    },
  };
}

function linesIn(lines: string | Uint8Array): number {
  return Buffer.from(lines).toString("latin1").split("\n").length - 1;
}
