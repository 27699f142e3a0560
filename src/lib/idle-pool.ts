/** A thread pool for occasional work: starts threads with the first task and ends them after a while without tasks. */
import { once } from "node:events";
import type { Piscina } from "piscina";
import { loadPiscina } from "./piscina.js";

export interface IdlePoolOptions {
  /** The module that exports the functions to run. */
  readonly file: URL;
  readonly threads: number;
  /** Tasks that a thread works on at a time. */
  readonly tasksPerThread: number;
  /** Memory for the objects of a thread; V8's default if absent. A task that needs more rejects, and ends the thread. */
  readonly memoryMebibytesMax?: number;
  /** Passed to each thread when it starts. */
  readonly setup?: unknown;
  /** Called when a thread ends outside of a task. */
  readonly onError: (error: unknown) => void;
}

/** How long an idle thread stays. */
const idleMilliseconds = 60_000;

/** Tasks' garbage is short-lived. V8's default of 48 MiB is a third of a server's memory and makes nothing faster. */
const youngMebibytesMax = 16;

/** A worker loads in about 100 ms. */
const loadMillisecondsMax = 5_000;

/** A task was ended because it took too long. */
export class TaskTooLong extends Error {
  override readonly name = "TaskTooLong";
}

export class IdlePool {
  #piscina: Piscina<unknown, unknown> | undefined;
  /** Queued tasks, each with the function that withdraws it. */
  readonly #running = new Map<Promise<unknown>, AbortController>();
  /** Ids of the threads that accept tasks. */
  readonly #loaded = new Set<number>();

  constructor(readonly options: IdlePoolOptions) {}

  #create(): Piscina<unknown, unknown> {
    const { file, threads, tasksPerThread, setup, memoryMebibytesMax, onError } = this.options;
    const piscina = new (loadPiscina().Piscina)<unknown, unknown>({
      filename: file.href,
      minThreads: 0,
      maxThreads: threads,
      concurrentTasksPerWorker: tasksPerThread,
      idleTimeout: idleMilliseconds,
      workerData: setup,
      recordTiming: false,
      resourceLimits: {
        maxYoungGenerationSizeMb: youngMebibytesMax,
        ...(memoryMebibytesMax !== undefined && { maxOldGenerationSizeMb: memoryMebibytesMax }),
      },
    });
    // Without a listener, an error would end the process.
    piscina.on("error", (error: unknown) => {
      onError(error);
      if (this.#loaded.size === 0) this.#refuseAll(error);
    });
    piscina.on("workerCreate", ({ id }: { readonly id: number }) => this.#loaded.add(id));
    piscina.on("workerDestroy", ({ id }: { readonly id: number }) => this.#loaded.delete(id));
    this.#piscina = piscina;
    return piscina;
  }

  /** Queued and running tasks. */
  get tasks(): number {
    return this.#running.size;
  }

  /** Fails the queued tasks: piscina leaves them waiting if a thread cannot be started. */
  #refuseAll(error: unknown): void {
    for (const waiting of this.#running.values()) waiting.abort(error);
  }

  /**
   * Runs the module's function `name` with `task`, and transfers `moved`. Also rejects if no thread can be started. Rejects
   * with `TaskTooLong` after `millisecondsMax`, with the time that the task waits for a thread, and ends the thread.
   */
  async run(
    name: string,
    task: unknown,
    moved: readonly ArrayBuffer[] = [],
    millisecondsMax?: number,
  ): Promise<unknown> {
    const waiting = new AbortController();
    const end = () => waiting.abort(new TaskTooLong(`the task ${name} took more than ${millisecondsMax} ms`));
    const timer = millisecondsMax === undefined ? undefined : setTimeout(end, millisecondsMax);
    const piscina = this.#piscina ?? this.#create();
    const running = piscina.run(task, { name, signal: waiting.signal, transferList: [...moved] });
    this.#running.set(running, waiting);
    try {
      return await running;
    } catch (error) {
      throw waiting.signal.aborted ? waiting.signal.reason : error;
    } finally {
      clearTimeout(timer);
      this.#running.delete(running);
    }
  }

  /**
   * Waits for running tasks, and for threads that are still starting: Node aborts the process if a thread is ended while it
   * loads its modules.
   */
  async close(): Promise<void> {
    if (this.#piscina === undefined) return;
    await Promise.allSettled(this.#running.keys());
    const late = AbortSignal.timeout(loadMillisecondsMax);
    while (this.#piscina.threads.length > this.#loaded.size && !late.aborted)
      await once(this.#piscina, "workerCreate", { signal: late }).catch(() => {});
    await this.#piscina.destroy();
  }
}
