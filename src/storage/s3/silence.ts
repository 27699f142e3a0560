/**
 * Notices that a store answers nothing, so that of many requests that wait for each other not every one waits for its whole
 * time. While the store is silent, one request at a time has some seconds, so that a slow store is noticed, too, and the others
 * have one. Each has the time of its bytes in addition.
 */

/** A store that is back answers a request without many bytes within this time. */
const silentMilliseconds = 1000;

/** Its client may have waited already, for memory that requests before it held. */
const patientMilliseconds = 5000;

export class Silence {
  #answeredAt = performance.now();
  #isSilent = false;
  /** When the patient request must have ended. */
  #triedUntil = 0;

  /** Call it when a request begins. Returns the milliseconds that it may take, `whole` unless the store is silent. */
  enter(whole: number): number {
    if (!this.#isSilent) return whole;
    const now = performance.now();
    if (now < this.#triedUntil) return Math.min(whole, silentMilliseconds);
    this.#triedUntil = now + patientMilliseconds;
    return Math.min(whole, patientMilliseconds);
  }

  /** Call it when the store begins to answer, whatever it says. */
  answered(): void {
    this.#answeredAt = performance.now();
    this.#isSilent = false;
    this.#triedUntil = 0;
  }

  /** Call it when a request has ended that began at `begun` and had time until `end`. */
  leave(begun: number, end: number): void {
    // An attempt that could take less than a second is not made, so requests end a little earlier.
    const hadItsTime = performance.now() > end - 2 * silentMilliseconds;
    if (hadItsTime && end - begun > 2 * silentMilliseconds && this.#answeredAt < begun) this.#isSilent = true;
  }
}
