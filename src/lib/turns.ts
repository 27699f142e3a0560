/** Runs at most a number of tasks at a time. Others wait in order of arrival. */
export class Turns {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(
    atOnce: number,
    /** Tasks that wait. Further ones get no turn. */
    readonly waitingMax = Number.POSITIVE_INFINITY,
  ) {
    this.#free = atOnce;
  }

  /**
   * Waits for a turn, and resolves with true. The caller ends it with `end`. Resolves with false if there is none within
   * `milliseconds`, or if too many wait.
   */
  async begin(milliseconds?: number): Promise<boolean> {
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    if (this.#waiting.size >= this.waitingMax) return false;
    return new Promise<boolean>((resolve) => {
      const begin = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const leave = () => {
        this.#waiting.delete(begin);
        resolve(false);
      };
      const timer = milliseconds === undefined ? undefined : setTimeout(leave, milliseconds);
      this.#waiting.add(begin);
    });
  }

  end(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
