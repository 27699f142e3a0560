/**
 * Runs at most a number of tasks at a time. Others wait; the clients that wait take turns, so that one with many tasks does not
 * keep the others waiting.
 */
export class FairTurns {
  #free: number;
  /** Waiting tasks by client, in order of arrival. The client whose turn is next comes first. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #waitingCount = 0;

  /** Of more tasks that wait, in total or of one client, the last get no turn. */
  constructor(
    atOnce: number,
    readonly waitingMax: number,
    readonly waitingPerClientMax: number,
  ) {
    this.#free = atOnce;
  }

  /** Waits for a turn, and resolves with true. The caller ends it with `end`. Resolves with false if too many wait. */
  async begin(client: string): Promise<boolean> {
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    const own = this.#waiting.get(client);
    if (this.#waitingCount >= this.waitingMax || (own?.length ?? 0) >= this.waitingPerClientMax) return false;
    this.#waitingCount++;
    await new Promise<void>((resolve) => {
      if (own === undefined) this.#waiting.set(client, [resolve]);
      else own.push(resolve);
    });
    return true;
  }

  end(): void {
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#free++;
      return;
    }
    const [client, tasks] = first;
    const next = tasks.shift();
    this.#waiting.delete(client);
    if (tasks.length > 0) this.#waiting.set(client, tasks);
    this.#waitingCount--;
    next?.();
  }
}
