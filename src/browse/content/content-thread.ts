/**
 * The thread that reads large or complicated content for pages. Started when it is needed, ended when it is idle. Content that
 * takes it too much time or memory costs only the thread, which the next content replaces.
 */
import { FairTurns } from "../../lib/fair-turns.js";
import { IdlePool, TaskTooLong } from "../../lib/idle-pool.js";
import type { Answer, ReadTask } from "./content-protocol.js";

const workerFile = new URL("../../../workers/pages/pages.js", import.meta.url);

/** Objects only; the bytes that are read come on top. */
const memoryMebibytesMax = 192;

/** Real content takes up to 300 ms of a core; at a low priority, a busy machine may give the thread a tenth of one. */
const taskMillisecondsMax = 4_000;

/** Content that waits for the thread, with its bytes. */
const waitingMax = 32;
const waitingPerClientMax = 16;

export class ContentThread {
  readonly #turns = new FairTurns(1, waitingMax, waitingPerClientMax);
  readonly #pool: IdlePool;

  constructor(readonly onError: (error: unknown) => void) {
    this.#pool = new IdlePool({
      file: workerFile,
      threads: 1,
      memoryMebibytesMax,
      onError,
    });
  }

  /** Resolves with `undefined` if too much waits for the thread, of all clients or of this one. */
  async read(task: ReadTask, client: string): Promise<Answer<unknown> | undefined> {
    if (!(await this.#turns.begin(client))) return undefined;
    try {
      // The time limit is for the content, not for starting the thread.
      await this.#pool.run("ready", undefined);
      return (await this.#pool.run("read", task, [], taskMillisecondsMax)) as Answer<unknown>;
    } catch (error) {
      if (error instanceof TaskTooLong || isOutOfMemory(error)) return { problem: "too-slow" };
      this.onError(error);
      return { problem: "failed" };
    } finally {
      this.#turns.end();
    }
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
}
