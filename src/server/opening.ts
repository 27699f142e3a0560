import type { Logger } from "pino";
import type { Config } from "../config/config.js";
import type { Closers } from "../lib/closers.js";

/** The arguments of every opener. An opener adds its closer to the stack as soon as its part is open. */
export interface Opening {
  readonly config: Config;
  readonly log: Logger;
  readonly closers: Closers;
}
