/** Opens the access log on standard output, as CNCF distribution has it. Part of the composition root. */
import type { Observer } from "../http/app.js";
import { CountedLines } from "../lib/counted-lines.js";
import { accessLog } from "../observe/access-log.js";
import { LineBatch } from "../observe/line-batch.js";
import { standardWriter } from "../observe/standard-streams.js";
import { formatOf, readable } from "./log.js";
import type { Opening } from "./opening.js";

export interface OpenedAccessLog {
  readonly observer: Observer;
  readonly lines: CountedLines;
}

/** The rest follows in one line. */
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
}: Opening): Promise<OpenedAccessLog | undefined> {
  if (config.accesslog.disabled) return undefined;
  const format = formatOf(config, process.stdout);
  const writer = standardWriter("output");
  const lines = new CountedLines(writer, {
    onDropping: () => log.warn("nobody reads the access log: its lines are dropped"),
    onDropped: (dropped) => log.warn({ dropped }, "lines of the access log were dropped: nobody read them"),
  });
  const unwatch = writer.watch({
    onBroken: (error) => log.error({ err: error }, "the access log cannot be written"),
    onMended: () => log.info("the access log is written again"),
  });
  const batch = new LineBatch((bytes) => lines.write(bytes));
  const stream = format === "text" ? await readable(process.stdout, lines, textOptions) : batch;
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
        // A request that did not end in time may end when the log has: nobody waits for its line any more.
        if (!closed) stream.write(line);
      },
    }),
    lines,
  };
}
