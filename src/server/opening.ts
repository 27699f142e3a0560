import type { Logger } from "pino";
import type { Config } from "../config/config.js";
import type { Closers } from "../lib/closers.js";
import type { StandardStreams } from "../observe/standard-streams.js";
import type { NodeRecords } from "../storage/node-records.js";
import type { Storage } from "../storage/storage.js";
import type { ProcessGroup } from "./processes/group.js";

/** The arguments of every opener. An opener adds its closer to the stack as soon as its part is open. */
export interface Opening {
  readonly config: Config;
  readonly log: Logger;
  readonly closers: Closers;
  /** The processes of this server. Absent if there is one. */
  readonly group?: ProcessGroup | undefined;
}

/** The additional arguments of the openers of logs. */
export interface LogOpening extends Opening {
  readonly streams: StandardStreams;
}

export interface OpenOptions {
  /** Whether this process serves clients: it then purges old uploads. */
  readonly serving: boolean;
  /** Whether to create a store if there is none. */
  readonly create: boolean;
  /** Called if another process has taken the store over, although this one has it open. This process must stop. */
  readonly onStoreLost: (why: string) => void;
}

export interface SharedStorage {
  /** Identifies the store among all that share an engine. */
  readonly id: string;
  /** Where nodes without the engine are recorded. */
  readonly nodes: NodeRecords;
}

export interface OpenedStorage {
  readonly storage: Storage;
  /** The place of the data, for people. */
  readonly place: string;
  /** What the operator should know, such as a missing feature of the file system. */
  readonly warnings: readonly string[];
  /** What nodes need that share the store; absent if only one process can use it. */
  readonly shared?: SharedStorage;
  /** The open file with the store's lock, which other processes of this server keep open, too. */
  readonly lockDescriptor?: number | undefined;
}
