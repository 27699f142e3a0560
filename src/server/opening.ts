import type { Logger } from "pino";
import type { Config } from "../config/config.js";
import type { Closers } from "../lib/closers.js";

/** What every opener works with. It adds what closes the thing that it opened to the stack, as soon as that is open. */
export interface Opening {
  readonly config: Config;
  readonly log: Logger;
  readonly closers: Closers;
}
