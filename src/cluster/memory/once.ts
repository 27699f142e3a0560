/** Runs work once for all callers of a single node. */
import type { Reporter } from "../cluster.js";

type OnNote = (note: string) => void;

class Run implements Reporter {
  readonly #watchers = new Set<OnNote>();
  #last: string | undefined;
  ended: Promise<void> = Promise.resolve();

  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  report(note: string): void {
    this.#last = note;
    for (const onNote of this.#watchers) onNote(note);
  }

  watch(onNote: OnNote): void {
    this.#watchers.add(onNote);
    if (this.#last !== undefined) onNote(this.#last);
  }
}

/** Shares one run of a piece of work among all concurrent callers of a process. */
export class MemoryOnce {
  readonly #running = new Map<string, Run>();

  run(key: string, work: (reporter: Reporter) => Promise<void>, onNote?: OnNote): Promise<void> {
    const running = this.#running.get(key);
    if (running !== undefined) {
      if (onNote !== undefined) running.watch(onNote);
      return running.ended;
    }
    const run = new Run();
    this.#running.set(key, run);
    run.ended = work(run).finally(() => this.#running.delete(key));
    return run.ended;
  }
}
