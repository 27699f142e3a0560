/** `log`: what the server writes to its standard error. */
import { section } from "./section.js";
import { choice, record, text } from "./values.js";

export const log = section({
  level: choice(["error", "warn", "info", "debug"])
    .prefault("info")
    .describe("The least severe of what is logged."),
  fields: record(text).prefault({}).describe("Fields that every line has, by name."),
});
