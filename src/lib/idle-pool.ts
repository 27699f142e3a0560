/**
 * A thread pool for occasional work: starts threads with the first task and ends them after a while without tasks. A thread works
 * on one task at a time; others wait in order of arrival.
 */
import { once } from "node:events";
import type { Piscina } from "piscina";
import { loadPiscina } from "./piscina.js";
import { Turns } from "./turns.js";

export interface IdlePoolOptions {
  /** The module that exports the functions to run. */
  readonly file: URL;
  readonly threads: number;
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

/** A function that no module has. */
const noTask = "none";

/** A task was ended because it took too long. */
export class TaskTooLong extends Error {
  override readonly name = "TaskTooLong";
}

export class IdlePool {
  #piscina: Piscina<unknown, unknown> | undefined;
  /** Waiting and running tasks, each with its abort controller. */
  readonly #tasks = new Map<Promise<unknown>, AbortController>();
  /** Ids of the threads that accept tasks. */
  readonly #loaded = new Set<number>();
  /**
   * Of several tasks in piscina's queue, one that has an abort signal and finds no free thread goes behind the others, each time. So
   * at most one waits there, for the thread that is free next.
   */
  readonly #turns: Turns;

  constructor(readonly options: IdlePoolOptions) {
    this.#turns = new Turns(options.threads + 1);
  }

  #create(): Piscina<unknown, unknown> {
    const { file, threads, setup, memoryMebibytesMax, onError } = this.options;
    const piscina = new (loadPiscina().Piscina)<unknown, unknown>({
      filename: file.href,
      minThreads: 0,
      maxThreads: threads,
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
    piscina.on("workerCreate", ({ id }: { readonly id: number }) => {
      this.#loaded.add(id);
      piscina.threads.find(({ threadId }) => threadId === id)?.once("exit", () => this.#onExit(piscina, id));
    });
    // A thread that has ended by itself has lost its id by then.
    piscina.on("workerDestroy", ({ id }: { readonly id: number }) => this.#loaded.delete(id));
    this.#piscina = piscina;
    return piscina;
  }

  #onExit(piscina: Piscina<unknown, unknown>, id: number): void {
    const hasEndedByItself = this.#loaded.delete(id);
    // piscina starts a thread for a new task only, not for the one in its queue.
    if (hasEndedByItself && this.#loaded.size === 0 && piscina.queueSize > 0)
      piscina.run(undefined, { name: noTask }).catch(() => {});
  }

  /** Waiting and running tasks. */
  get tasks(): number {
    return this.#tasks.size;
  }

  /** Fails all tasks: piscina leaves them waiting if a thread cannot be started. */
  #refuseAll(error: unknown): void {
    for (const ending of this.#tasks.values()) ending.abort(error);
  }

  /**
   * Runs the module's function `name` with `task`, and transfers `moved`. Also rejects if no thread can be started. Rejects
   * with `TaskTooLong` after `millisecondsMax`, with the time that the task waits for a thread, and ends the thread.
   */
  run(
    name: string,
    task: unknown,
    moved: readonly ArrayBuffer[] = [],
    millisecondsMax?: number,
  ): Promise<unknown> {
    const ending = new AbortController();
    const end = () => ending.abort(new TaskTooLong(`the task ${name} took more than ${millisecondsMax} ms`));
    const timer = millisecondsMax === undefined ? undefined : setTimeout(end, millisecondsMax);
    const { signal } = ending;
    const work = () => {
      const piscina = this.#piscina ?? this.#create();
      return piscina.run(task, { name, signal, transferList: [...moved] });
    };
    const running = this.#inTurn(work, signal, millisecondsMax).finally(() => {
      clearTimeout(timer);
      this.#tasks.delete(running);
    });
    this.#tasks.set(running, ending);
    return running;
  }

  async #inTurn(
    work: () => Promise<unknown>,
    signal: AbortSignal,
    millisecondsMax: number | undefined,
  ): Promise<unknown> {
    // The caller's timer is older and ends at the same time, so the signal is aborted if there is no turn.
    const isTurn = await this.#turns.begin(millisecondsMax);
    try {
      signal.throwIfAborted();
      return await work();
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      if (isTurn) this.#turns.end();
    }
  }

  /**
   * Waits for running tasks, and for threads that are still starting: Node aborts the process if a thread is ended while it
   * loads its modules.
   */
  async close(): Promise<void> {
    await Promise.allSettled(this.#tasks.keys());
    if (this.#piscina === undefined) return;
    const late = AbortSignal.timeout(loadMillisecondsMax);
    while (this.#piscina.threads.length > this.#loaded.size && !late.aborted)
      await once(this.#piscina, "workerCreate", { signal: late }).catch(() => {});
    await this.#piscina.destroy();
  }
}
