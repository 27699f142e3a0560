/** The drain time of a stopping server, shared by requests and then webhooks. */
export class DrainClock {
  #startedAt: number | undefined;

  constructor(readonly secondsMax: number) {}

  /** Starts the clock, when the server stops listening. */
  start(): void {
    this.#startedAt = performance.now();
  }

  get secondsLeft(): number {
    return this.#startedAt === undefined
      ? this.secondsMax
      : this.secondsMax - (performance.now() - this.#startedAt) / 1000;
  }
}
