import type { Logger } from "pino";
import type { Config } from "../config/config.js";
import type { Closers } from "../lib/closers.js";
import type { StandardStreams } from "../observe/standard-streams.js";

/** The arguments of every opener. An opener adds its closer to the stack as soon as its part is open. */
export interface Opening {
  readonly config: Config;
  readonly log: Logger;
  readonly closers: Closers;
}

/** The additional arguments of the openers of logs. */
export interface LogOpening extends Opening {
  readonly streams: StandardStreams;
}
