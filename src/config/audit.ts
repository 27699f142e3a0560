/** `audit`: the log of who did what to what. */
import { section } from "./section.js";
import { flag, text } from "./values.js";

export const audit = section({
  to: text
    .prefault("auto")
    .describe(
      "Where the audit log goes: `stderr`, `stdout`, `off`, or a file, which is opened again on SIGHUP. `auto` is `stderr` where callers log in, else `off`.",
    ),
  pulls: flag.prefault("false").describe("Whether pulls and listings are written too."),
});
