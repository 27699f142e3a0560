/** The notes that a node which fetches a blob sends to the nodes whose clients wait for it. */
import { z } from "zod";

const progress = z.object({
  /** Names this attempt to fetch the blob, and its slices in the storage. */
  fetch: z.string().max(100),
  /** Of the blob in bytes, as announced by the upstream. */
  size: z.number().int().positive(),
  /** Bytes that have been stored as slices. */
  stored: z.number().int().nonnegative(),
  /** Whether the storage has the blob, with the bytes of this attempt. */
  isVerified: z.boolean(),
});

export type Progress = z.output<typeof progress>;

export function serializeProgress(told: Progress): string {
  return JSON.stringify(told);
}

/** Returns `undefined` if another version of this software has written it. */
export function parseProgress(text: string): Progress | undefined {
  try {
    return progress.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
