/** The first message of the first process to a process that it has started. */
import { z } from "zod";

/** The descriptor of the socket to the first process. */
export const socketDescriptor = 3;

export const welcome = z.object({
  number: z.number(),
  /** Number of processes. */
  count: z.number(),
  /** Where the server listens. */
  port: z.number(),
  /** The format of logs, which depends on the first process's terminal. */
  formatter: z.enum(["text", "json", "logstash"]),
  /** The name of the first process's node. */
  first: z.string(),
  /** Changes with the settings. */
  settings: z.string(),
});

export type Welcome = z.output<typeof welcome>;
