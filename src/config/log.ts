/** `log`: what the server writes to its standard error, and a line for each request to its standard output. */
import { section } from "./section.js";
import { choice, flag, record, text } from "./values.js";

export const log = section({
  level: choice(["error", "warn", "info", "debug"])
    .prefault("info")
    .describe("The least severe of what is logged."),
  formatter: choice(["text", "json", "logstash"]).optional().meta({
    description:
      "`text`: lines for people. `json`: one object a line. `logstash`: the same with Logstash's names.",
    defaultNote: "`text` on a terminal, else `json`",
  }),
  accesslog: section({
    disabled: flag
      .prefault("false")
      .describe(
        "Whether the line for each request, on standard output, is left out; `level` does not matter to it.",
      ),
  }),
  fields: record(text).prefault({}).describe("Fields that every line has, by name."),
}).describe(
  "What the server writes to its standard error, and a line for each request to its standard output.",
);
