/** The log as the settings have it, on standard error. Part of the composition root. */
import type { WriteStream } from "node:tty";
import { type DestinationStream, type Logger, type LoggerOptions, pino } from "pino";
import type { PrettyOptions } from "pino-pretty";
import { hasColors } from "./cli/output.js";
import type { Config } from "./config/config.js";

/** Written before the call returns: what led to a crash is not lost. */
const sink = { dest: 2, sync: true } as const;

export async function openLog(config: Config["log"]): Promise<Logger> {
  const { level, fields } = config;
  const format = formatOf(config, process.stderr);
  const destination =
    format === "text"
      ? await readable(process.stderr, { destination: sink.dest, sync: sink.sync })
      : pino.destination(sink);
  return pino({ level, ...(format === "logstash" ? logstash : {}) }, destination).child(fields);
}

export function formatOf({ formatter }: Config["log"], stream: WriteStream): "text" | "json" | "logstash" {
  return formatter ?? (stream.isTTY ? "text" : "json");
}

/** Lines for people, as they are on `stream`. Loaded only where they are wanted. */
export async function readable(stream: WriteStream, options: PrettyOptions): Promise<DestinationStream> {
  const { default: pretty } = await import("pino-pretty");
  const colorize = hasColors(stream, process.argv, process.env);
  return pretty({ colorize, ignore: "pid,hostname", ...options });
}

/** The names that Logstash gives to the time and the message. */
const logstash: LoggerOptions = {
  messageKey: "message",
  timestamp: () => `,"@timestamp":"${new Date().toISOString()}"`,
  formatters: { level: (label) => ({ level: label }) },
  base: { "@version": "1" },
};
