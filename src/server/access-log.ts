/** Opens the access log on standard output, as in CNCF distribution. Part of the composition root. */
import type { Observer } from "../http/app.js";
import { CountedLines } from "../lib/counted-lines.js";
import { accessLog } from "../observe/access-log.js";
import { LineBatch } from "../observe/line-batch.js";
import { formatOf, readable } from "./log.js";
import type { LogOpening } from "./opening.js";

export interface OpenedAccessLog {
  readonly observer: Observer;
  readonly lines: CountedLines;
}

/** Puts all other fields on one line. */
const textOptions = {
  messageFormat: "{method} {path} {status}",
  ignore: "log,method,path,status",
  singleLine: true,
} as const;

/** Returns undefined if there is no access log. */
export async function openAccessLog({
  config: { log: config },
  log,
  closers,
  streams,
}: LogOpening): Promise<OpenedAccessLog | undefined> {
  if (config.accesslog.disabled) return undefined;
  const format = formatOf(config, streams.isTerminal("output"));
  const writer = streams.writer("output");
  const lines = new CountedLines(writer, {
    onDropping: () => log.warn("no program reads the access log on standard output: dropping its lines"),
    onDropped: (dropped) =>
      log.warn({ dropped }, "access log lines were dropped because standard output was not read"),
  });
  const unwatch = writer.watch({
    onBroken: (error) => log.error({ err: error }, "the access log cannot be written"),
    onMended: () => log.info("the access log can be written again"),
  });
  const batch = new LineBatch((bytes) => lines.write(bytes));
  const stream = format === "text" ? await readable(streams, "output", lines, textOptions) : batch;
  let closed = false;
  closers.add("access log", () => {
    closed = true;
    batch.flush();
    unwatch();
    lines.close();
  });
  return {
    observer: accessLog({
      names: format === "logstash" ? "logstash" : "pino",
      fields: config.fields,
      write: (line) => {
        // A request that did not finish in time may end after the log was closed; its line is lost.
        if (!closed) stream.write(line);
      },
    }),
    lines,
  };
}
