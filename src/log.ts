/** The log as the settings have it, on standard error. Part of the composition root. */
import type { WriteStream } from "node:tty";
import { type DestinationStream, type Logger, type LoggerOptions, pino } from "pino";
import { hasColors } from "./cli/output.js";
import type { Config } from "./config/config.js";

/** Written before the call returns: what led to a crash is not lost. */
const sink = { dest: 2, sync: true } as const;

export async function openLog({ level, formatter, fields }: Config["log"]): Promise<Logger> {
  const format = formatter ?? (process.stderr.isTTY ? "text" : "json");
  const destination = format === "text" ? await readable(process.stderr) : pino.destination(sink);
  return pino({ level, ...(format === "logstash" ? logstash : {}) }, destination).child(fields);
}

/** Lines for people. Loaded only where they are wanted. */
async function readable(stream: WriteStream): Promise<DestinationStream> {
  const { default: pretty } = await import("pino-pretty");
  const colorize = hasColors(stream, process.argv, process.env);
  return pretty({ destination: sink.dest, sync: sink.sync, colorize, ignore: "pid,hostname" });
}

/** The names that Logstash gives to the time and the message. */
const logstash: LoggerOptions = {
  messageKey: "message",
  timestamp: () => `,"@timestamp":"${new Date().toISOString()}"`,
  formatters: { level: (label) => ({ level: label }) },
  base: { "@version": "1" },
};
