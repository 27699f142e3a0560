/** `audit`: the log of users and their actions. */
import { section } from "./section.js";
import { choice, flag, text } from "./values.js";

export const audit = section({
  to: text
    .prefault("auto")
    .describe(
      "Destination of the audit log: `stderr`, `stdout`, `off`, or a file, which Gantry reopens on SIGHUP. `auto` is `stderr` if authentication is enabled, and `off` otherwise.",
    ),
  pulls: flag.prefault("false").describe("Also logs pulls and lists."),
  onfailure: choice(["drop", "refuse"])
    .prefault("drop")
    .describe(
      "What to do while the audit log cannot be written because its disk is full or nobody reads it. `drop` continues: lines wait in 4 MiB of memory (16 MiB on `stdout`), and Gantry drops and counts further lines. `refuse` answers 503 to requests that would be logged, before they take effect.",
    ),
});
