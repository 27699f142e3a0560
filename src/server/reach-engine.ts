/** Waits for the engine of a cluster that is not there yet when a node starts. Part of the composition root. */
import { setTimeout as sleep } from "node:timers/promises";
import { isRefusal } from "../cluster/valkey/engine-refused.js";
import { describeError } from "../lib/describe-error.js";

export interface ReachOptions {
  /** Names the engine for people. */
  readonly place: string;
  /** No further attempt is made after this time. */
  readonly waitMilliseconds: number;
  /** Called once, before the first pause. */
  readonly onWaiting: (why: string) => void;
}

/** An engine that restarts together with the nodes, on a busy machine, is there within a few seconds. */
export const engineWaitMilliseconds = 30_000;

const pauseMillisecondsFirst = 250;
const pauseMillisecondsMax = 3_000;

/** Resolves with the result of `open`, which is called again while the engine cannot be reached, but not if it refuses. */
export async function reachEngine<T>(open: () => Promise<T>, options: ReachOptions): Promise<T> {
  const { place, waitMilliseconds, onWaiting } = options;
  const end = performance.now() + waitMilliseconds;
  let pause = pauseMillisecondsFirst;
  for (let attempt = 1; ; attempt++) {
    try {
      return await open();
    } catch (cause) {
      if (isRefusal(cause)) throw new Error(`the engine of redis.addrs (${place}) cannot be used`, { cause });
      const seconds = Math.round(waitMilliseconds / 1000);
      if (performance.now() + pause > end)
        throw new Error(`the engine of redis.addrs (${place}) could not be reached within ${seconds} s`, {
          cause,
        });
      if (attempt === 1)
        onWaiting(
          `waiting for the engine of redis.addrs (${place}), ${seconds} s at most: ${describeError(cause)}`,
        );
      await sleep(pause);
      pause = Math.min(pauseMillisecondsMax, pause * 2);
    }
  }
}
