/** The longest that a timer can wait. */
const timerMillisecondsMax = 2 ** 31 - 1;

export interface Repeating {
  /** Starts no more work, aborts the work that is running and waits until it has ended. */
  stop(): Promise<void>;
}

/** Runs `work` every `seconds` seconds, one run at a time. 0 means never. */
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
