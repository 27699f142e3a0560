/**
 * Runs one task at a time. Others wait; the clients that wait take turns, so that one with many tasks does not keep the others
 * waiting.
 */
export class FairTurns {
  #isFree = true;
  /** Waiting tasks by client, in order of arrival. The client whose turn is next comes first. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #waitingCount = 0;

  /** Of more tasks that wait, in total or of one client, the last get no turn. */
  constructor(
    readonly waitingMax: number,
    readonly waitingPerClientMax: number,
  ) {}

  /** Waits for a turn, and resolves with true. The caller ends it with `end`. Resolves with false if too many wait. */
  async begin(client: string): Promise<boolean> {
    if (this.#isFree) {
      this.#isFree = false;
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
      this.#isFree = true;
      return;
    }
    const [client, [next, ...others]] = first;
    this.#waiting.delete(client);
    if (others.length > 0) this.#waiting.set(client, others);
    this.#waitingCount--;
    next?.();
  }
}
