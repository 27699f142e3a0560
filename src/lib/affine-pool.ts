/**
 * A piscina pool in which the tasks of one thing stay with one worker, which holds its state. The workers start with the first
 * task, because each takes 8 MB: a server that only serves pulls has none. Ends workers that hang.
 */
import type { Piscina } from "piscina";
import { endsWithin } from "./ends-within.js";
import { loadPiscina } from "./piscina.js";

/** The worker of a thing; chosen at its first task, and again if that worker has died. */
export interface Affinity {
  workerId?: number;
  /** Whether it shares a worker with similar tasks: the first one, while that has fewer than `gatheredTasksMax`. */
  isGathered?: boolean;
}

export interface AffinePoolOptions {
  /** The module of the workers; its function `run` gets the tasks. */
  readonly file: URL;
  readonly workerData: unknown;
  readonly threads: number;
  /**
   * Whether workers have work besides their tasks, such as sending, which goes on while no task runs. Otherwise an idle
   * worker blocks until the next task comes, which is faster.
   */
  readonly worksBetweenTasks?: boolean;
  /** Called if a worker ends outside of a task. */
  readonly onError: (error: unknown) => void;
}

/** The end of a task that returned no result: the worker died, or did not answer in time and was ended. */
export interface WorkerEnd {
  readonly end: "lost" | "hung";
  readonly message: string;
}

const lookForHungEverySeconds = 1;

/** A worker loads in about 100 ms; a hanging one must not be waited for. */
const loadMillisecondsMax = 5_000;

/** A running task. */
interface Running {
  readonly affinity: Affinity;
  /** By `performance.now()`. */
  readonly deadline: number;
  /** Ends the wait for it. */
  readonly giveUp: () => void;
}

/**
 * Concurrent tasks of one worker: while one waits for a sync, others hash and write. A number that is never reached, because
 * slabs and sessions bound the tasks: piscina would let a later task overtake one that it could not place, and the tasks of
 * one thing must reach their worker in order.
 */
const tasksPerWorkerMax = 1_000_000;

/** As many as a client that pushes an image has at once. More are better off with several workers. */
const gatheredTasksMax = 5;

/** Returns the first of the workers, if it has room for another task that is to be with others. */
function gathering<W extends { readonly currentUsage: number }>(
  affinity: Affinity | null,
  [first]: readonly W[],
): W | undefined {
  const gathers = affinity?.isGathered === true && first !== undefined;
  return gathers && first.currentUsage < gatheredTasksMax ? first : undefined;
}

function leastUsed<W extends { readonly currentUsage: number }>(workers: readonly W[]): W | undefined {
  let least = workers[0];
  for (const worker of workers) {
    if (least === undefined || worker.currentUsage < least.currentUsage) least = worker;
  }
  return least;
}

export class AffinePool<Task extends object, Result extends object> {
  #piscina: Piscina<Task, Result> | undefined;
  readonly #running = new Set<Running>();
  #watch: NodeJS.Timeout | undefined;

  constructor(readonly options: AffinePoolOptions) {}

  #start(): Piscina<Task, Result> {
    const { file, workerData, threads, worksBetweenTasks = false, onError } = this.options;
    const { Piscina } = loadPiscina();
    const piscina = new Piscina<Task, Result>({
      filename: file.href,
      name: "run",
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: tasksPerWorkerMax,
      // Tasks that wait for a replacement of dead workers keep their order.
      stricterFIFO: true,
      workerData,
      recordTiming: false,
      atomics: worksBetweenTasks ? "disabled" : "sync",
      loadBalancer: (task, workers) => {
        const affinity = Reflect.get(task, Piscina.queueOptionsSymbol) as Affinity | null;
        const own = workers.find((worker) => worker.id === affinity?.workerId);
        const chosen = own ?? gathering(affinity, workers) ?? leastUsed(workers);
        // All workers have died, and their replacements are not ready: the task waits for them.
        if (chosen === undefined) return null;
        if (affinity !== null) affinity.workerId = chosen.id;
        return chosen;
      },
    });
    // Without a listener, the error would end the process; the pool has already started another worker.
    piscina.on("error", onError);
    this.#piscina = piscina;
    this.#watch = setInterval(() => this.#endHung(), lookForHungEverySeconds * 1000).unref();
    return piscina;
  }

  /** Waiting and running tasks. */
  get tasks(): number {
    return this.#running.size;
  }

  /** Returns whether the thread is one of the pool's, even if it still loads. */
  isRunning(threadId: number): boolean {
    return this.#piscina?.threads.some((thread) => thread.threadId === threadId) === true;
  }

  /** Runs a task. Never rejects. A task that takes longer than `secondsMax` counts as hung. */
  run(task: Task, affinity: Affinity, secondsMax: number): Promise<Result | WorkerEnd> {
    return new Promise((resolve) => {
      const finish = (result: Result | WorkerEnd): void => {
        this.#running.delete(running);
        resolve(result);
      };
      const running: Running = {
        affinity,
        deadline: performance.now() + secondsMax * 1000,
        giveUp: () => finish({ end: "hung", message: "the worker does not answer" }),
      };
      this.#running.add(running);
      const piscina = this.#piscina ?? this.#start();
      const { queueOptionsSymbol } = loadPiscina();
      piscina.run({ ...task, [queueOptionsSymbol]: affinity }).then(finish, (error: unknown) => {
        finish({ end: "lost", message: error instanceof Error ? error.message : String(error) });
      });
    });
  }

  /**
   * Calls `ask` for each worker, and resolves when all calls have. Rejects if there are too few workers. Does not start them: it
   * is called every few seconds.
   */
  async askAll(ask: (affinity: Affinity) => Promise<unknown>): Promise<void> {
    if (this.#piscina === undefined) return;
    const { threads } = this.#piscina;
    if (threads.length < this.options.threads)
      throw new Error(`${threads.length} of ${this.options.threads} workers run`);
    await Promise.all(threads.map(({ threadId }) => ask({ workerId: threadId })));
  }

  /** Ends hung workers; their replacements take over the other tasks. */
  #endHung(): void {
    const now = performance.now();
    for (const { affinity, deadline, giveUp } of this.#running) {
      if (deadline > now) continue;
      giveUp();
      const thread = this.#piscina?.threads.find(({ threadId }) => threadId === affinity.workerId);
      void thread?.terminate();
    }
  }

  /**
   * Ends the workers, after `ask` has been answered by each. Waits for workers that are starting: Node aborts if a thread is
   * ended while it loads its modules.
   */
  async close(ask: (affinity: Affinity) => Promise<unknown>): Promise<void> {
    clearInterval(this.#watch);
    if (this.#piscina === undefined) return;
    const loaded = this.#piscina.threads.map(({ threadId }) => ask({ workerId: threadId }).catch(() => {}));
    await endsWithin(loadMillisecondsMax, Promise.all(loaded));
    await this.#piscina.destroy();
  }
}
