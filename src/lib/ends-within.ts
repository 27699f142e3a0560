import { setTimeout } from "node:timers/promises";

/** Resolves with true when `work` has ended, or with false after `milliseconds`. Rejects if `work` rejects before. */
export async function endsWithin(milliseconds: number, work: Promise<unknown>): Promise<boolean> {
  const ended = new AbortController();
  const late = setTimeout(milliseconds, false, { signal: ended.signal });
  late.catch(() => {});
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    ended.abort();
  }
}
