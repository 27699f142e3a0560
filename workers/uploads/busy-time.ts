/** Measures how long a worker has had at least one task. */
import { now } from "../../src/lib/clock.js";

export class BusyTime {
  #atHand = 0;
  #since = 0;
  #milliseconds = 0;

  /** Sum up to now. */
  get milliseconds(): number {
    return this.#milliseconds + (this.#atHand === 0 ? 0 : now() - this.#since);
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    if (this.#atHand === 0) this.#since = now();
    this.#atHand++;
    try {
      return await work();
    } finally {
      this.#atHand--;
      if (this.#atHand === 0) this.#milliseconds += now() - this.#since;
    }
  }
}
