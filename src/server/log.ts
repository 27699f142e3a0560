/** Opens the log on standard error, as set in the settings. Part of the composition root. */
import { type DestinationStream, type Logger, type LoggerOptions, pino } from "pino";
import type { PrettyOptions } from "pino-pretty";
import type { Config } from "../config/config.js";
import { escapeJsonLine, visibleFields } from "../lib/control-characters.js";
import { CountedLines } from "../lib/counted-lines.js";
import type { StandardStream, StandardStreams } from "../observe/standard-streams.js";

/** Logged for each closer that fails; the others still run. */
export const closingFailed = "a part of the server could not be saved or closed";

export interface OpenedLog {
  readonly log: Logger;
  readonly lines: CountedLines;
}

export async function openLog(config: Config["log"], streams: StandardStreams): Promise<OpenedLog> {
  const { level, fields } = config;
  const format = formatOf(config, streams.isTerminal("error"));
  const lines: CountedLines = new CountedLines(streams.writer("error"), {
    onDropped: (dropped) =>
      log.warn({ dropped }, "lines of this log were dropped because standard error was not read"),
  });
  const destination = format === "text" ? await readable(streams, "error", lines) : escaped(lines);
  const log = pino({ level, ...(format === "logstash" ? logstash : {}) }, destination).child(fields);
  return { log, lines };
}

export function formatOf({ formatter }: Config["log"], isTerminal: boolean): "text" | "json" | "logstash" {
  return formatter ?? (isTerminal ? "text" : "json");
}

/** Escapes all terminal control characters in lines of JSON. */
export function escaped(lines: DestinationStream): DestinationStream {
  return { write: (line) => lines.write(escapeJsonLine(line)) };
}

/** Formats lines for people on a stream. Loaded only if needed. */
export async function readable(
  streams: StandardStreams,
  name: StandardStream,
  lines: DestinationStream,
  options: PrettyOptions = {},
): Promise<DestinationStream> {
  const { prettyFactory } = await import("pino-pretty");
  const colorize = streams.hasColors(name);
  const format = prettyFactory({ colorize, ignore: "pid,hostname", ...options });
  // Escape before formatting, which adds colours and line feeds of its own.
  return { write: (line) => lines.write(format(visibleFields(JSON.parse(line)))) };
}

/** Logstash's names for time and message. */
const logstash: LoggerOptions = {
  messageKey: "message",
  timestamp: () => `,"@timestamp":"${new Date().toISOString()}"`,
  formatters: { level: (label) => ({ level: label }) },
  base: { "@version": "1" },
};
