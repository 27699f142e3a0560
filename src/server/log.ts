/** The log as the settings have it, on standard error. Part of the composition root. */
import type { WriteStream } from "node:tty";
import { type DestinationStream, type Logger, type LoggerOptions, pino } from "pino";
import type { PrettyOptions } from "pino-pretty";
import type { Config } from "../config/config.js";
import { hasColors } from "../lib/colors.js";
import { escapeJsonLine, visibleFields } from "../lib/control-characters.js";
import { CountedLines } from "../lib/counted-lines.js";
import { standardWriter } from "../observe/standard-streams.js";

/** Logged for each closer that fails; the others run all the same. */
export const closingFailed = "something could not be saved or closed";

export interface OpenedLog {
  readonly log: Logger;
  readonly lines: CountedLines;
}

export async function openLog(config: Config["log"]): Promise<OpenedLog> {
  const { level, fields } = config;
  const format = formatOf(config, process.stderr);
  const lines: CountedLines = new CountedLines(standardWriter("error"), {
    onDropped: (dropped) => log.warn({ dropped }, "lines of this log were dropped: nobody read them"),
  });
  const destination = format === "text" ? await readable(process.stderr, lines) : escaped(lines);
  const log = pino({ level, ...(format === "logstash" ? logstash : {}) }, destination).child(fields);
  return { log, lines };
}

export function formatOf({ formatter }: Config["log"], stream: WriteStream): "text" | "json" | "logstash" {
  return formatter ?? (stream.isTTY ? "text" : "json");
}

/** Lines of JSON, in which no character is left that a terminal obeys. */
export function escaped(lines: DestinationStream): DestinationStream {
  return { write: (line) => lines.write(escapeJsonLine(line)) };
}

/** Lines for people, as they are on `stream`. Loaded only where they are wanted. */
export async function readable(
  stream: WriteStream,
  lines: DestinationStream,
  options: PrettyOptions = {},
): Promise<DestinationStream> {
  const { prettyFactory } = await import("pino-pretty");
  const colorize = hasColors(stream, process.argv, process.env);
  const format = prettyFactory({ colorize, ignore: "pid,hostname", ...options });
  // Before the layout, which has colours and line feeds of its own.
  return { write: (line) => lines.write(format(visibleFields(JSON.parse(line)))) };
}

/** The names that Logstash gives to the time and the message. */
const logstash: LoggerOptions = {
  messageKey: "message",
  timestamp: () => `,"@timestamp":"${new Date().toISOString()}"`,
  formatters: { level: (label) => ({ level: label }) },
  base: { "@version": "1" },
};
