/** `audit`: the log of who did what to what. */
import { section } from "./section.js";
import { choice, flag, text } from "./values.js";

export const audit = section({
  to: text
    .prefault("auto")
    .describe(
      "Where the audit log goes: `stderr`, `stdout`, `off`, or a file, which is opened again on SIGHUP. `auto` is `stderr` where callers log in, else `off`.",
    ),
  pulls: flag.prefault("false").describe("Whether pulls and listings are written too."),
  onfailure: choice(["drop", "refuse"])
    .prefault("drop")
    .describe(
      "What happens while the audit log cannot be written, because its disk is full or nobody reads it. `drop`: requests go on; lines wait in 4 MiB of memory (16 MiB on `stdout`), and those that find no room are dropped and counted. `refuse`: requests that would leave a line get 503 before they take effect.",
    ),
});
