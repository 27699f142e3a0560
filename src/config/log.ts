/** `log`: the server log on standard error, and the access log on standard output. */
import { section } from "./section.js";
import { choice, flag, record, text } from "./values.js";

export const log = section({
  level: choice(["error", "warn", "info", "debug"])
    .prefault("info")
    .describe("Least severe level that is logged."),
  formatter: choice(["text", "json", "logstash"]).optional().meta({
    description:
      "`text`: lines for people. `json`: one JSON object per line. `logstash`: JSON with Logstash's field names.",
    defaultNote: "`text` on a terminal, else `json`",
  }),
  accesslog: section({
    disabled: flag
      .prefault("false")
      .describe("Turns off the access log on standard output, which `log.level` does not affect."),
  }),
  fields: record(text).prefault({}).describe("Fields added to every line, by name."),
}).describe("The server log on standard error, and the access log on standard output.");
