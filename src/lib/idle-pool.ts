/** Threads for what is asked for now and then: started with the first task, and ended when there was none for a while. */
import { once } from "node:events";
import { Piscina } from "piscina";

export interface IdlePoolOptions {
  /** The module whose functions are run. */
  readonly file: URL;
  readonly threads: number;
  /** That a thread has before it at a time. */
  readonly tasksPerThread: number;
  /** What each thread is given once, when it starts. */
  readonly setup?: unknown;
  /** Told of a thread that ended outside any task. */
  readonly onError: (error: unknown) => void;
}

/** Who has stopped asking pays for no thread. */
const idleMilliseconds = 60_000;

/** What tasks make lives for one message. V8's own 48 MiB are a third of a server's memory, for nothing faster. */
const youngMebibytesMax = 16;

/** A worker loads in some 100 ms. */
const loadMillisecondsMax = 5_000;

export class IdlePool {
  readonly #piscina: Piscina<unknown, unknown>;
  /** With what takes each back while it waits for a thread. */
  readonly #running = new Map<Promise<unknown>, AbortController>();
  /** Ids of the threads that take tasks. */
  readonly #loaded = new Set<number>();

  constructor({ file, threads, tasksPerThread, setup, onError }: IdlePoolOptions) {
    this.#piscina = new Piscina({
      filename: file.href,
      minThreads: 0,
      maxThreads: threads,
      concurrentTasksPerWorker: tasksPerThread,
      idleTimeout: idleMilliseconds,
      workerData: setup,
      recordTiming: false,
      resourceLimits: { maxYoungGenerationSizeMb: youngMebibytesMax },
    });
    // Without a listener it would end the process.
    this.#piscina.on("error", (error: unknown) => {
      onError(error);
      if (this.#loaded.size === 0) this.#refuseAll(error);
    });
    this.#piscina.on("workerCreate", ({ id }: { readonly id: number }) => this.#loaded.add(id));
    this.#piscina.on("workerDestroy", ({ id }: { readonly id: number }) => this.#loaded.delete(id));
  }

  /** Tasks that wait or are at work. */
  get tasks(): number {
    return this.#running.size;
  }

  /** A thread could not be started: piscina would have what waits for it wait until there is another task. */
  #refuseAll(error: unknown): void {
    for (const waiting of this.#running.values()) waiting.abort(error);
  }

  /** What the module's function of that name gives for `task`. Rejects where no thread can be started for it, too. */
  async run(name: string, task: unknown): Promise<unknown> {
    const waiting = new AbortController();
    const running = this.#piscina.run(task, { name, signal: waiting.signal });
    this.#running.set(running, waiting);
    try {
      return await running;
    } catch (error) {
      throw waiting.signal.aborted ? waiting.signal.reason : error;
    } finally {
      this.#running.delete(running);
    }
  }

  /**
   * Waits for what was asked, and for workers that have only been started: Node aborts where a thread is ended while
   * it loads its modules.
   */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running.keys());
    const late = AbortSignal.timeout(loadMillisecondsMax);
    while (this.#piscina.threads.length > this.#loaded.size && !late.aborted)
      await once(this.#piscina, "workerCreate", { signal: late }).catch(() => {});
    await this.#piscina.destroy();
  }
}
