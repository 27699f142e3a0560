/** Work that is done again and again in the background. */

/** The longest that a timer can wait. */
const timerMillisecondsMax = 2 ** 31 - 1;

export interface Repeating {
  /** Begins no more work, aborts what is under way, and waits for its end. */
  stop(): Promise<void>;
}

/** Does `work` every so many seconds, never twice at a time; not at all if `seconds` is 0. */
export function everySeconds(
  seconds: number,
  work: (signal: AbortSignal) => Promise<void>,
  onError: (error: unknown) => void,
): Repeating {
  let running: Promise<void> | undefined;
  const stopping = new AbortController();
  const timer = setInterval(
    () => {
      running ??= work(stopping.signal)
        .catch(onError)
        .finally(() => {
          running = undefined;
        });
    },
    Math.min(seconds * 1000, timerMillisecondsMax),
  ).unref();
  if (seconds === 0) clearInterval(timer);
  return {
    stop: async () => {
      clearInterval(timer);
      stopping.abort();
      await running;
    },
  };
}
