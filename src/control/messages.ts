/**
 * The protocol between an operator's command and the server that has the store open: one HTTP request on a Unix socket,
 * answered by lines of JSON. The last line is the outcome or a failure.
 */
import { z } from "zod";

/** Path of the request. */
export const runPath = "/run";

export const request = z.object({ command: z.string(), options: z.unknown() });

export const message = z.union([
  z.object({
    progress: z.object({
      what: z.string(),
      done: z.number(),
      total: z.number().optional(),
      unit: z.enum(["bytes", "repositories", "manifests"]),
    }),
  }),
  z.object({ outcome: z.object({ report: z.unknown(), text: z.string(), fine: z.boolean() }) }),
  z.object({ failure: z.string(), usage: z.boolean() }),
]);

export type Message = z.infer<typeof message>;

/** Size of `sun_path` without its terminating zero. The kernel silently truncates a longer path. */
export const socketPathBytesMax = 107;

export function isTooLong(path: string): boolean {
  return Buffer.byteLength(path) > socketPathBytesMax;
}
