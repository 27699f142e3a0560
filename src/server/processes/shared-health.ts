/**
 * The health of all processes. Each one tells the first its failures when they change, and the first one sends their sum to
 * all: a connection may reach any process, so the server is ready if each one that listens is.
 */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type Failures, failuresOf, parts } from "../../registry/health.js";
import type { Calls } from "./calls.js";

export interface HealthLinks {
  readonly number: number;
  readonly count: number;
  readonly calls: Calls;
  tellFirst(service: string, payload: unknown): void;
  /** In milliseconds; `performance.now` by default. */
  readonly now?: () => number;
}

/** The first process asks the others more often. Until it does, the server is not ready: pushes wait for it. */
const unaskedMillisecondsMax = 12_000;

const ownCall = "own health";
const allCall = "health";

const failuresSchema = z.partialRecord(z.enum(parts), z.string());
const own = z.object({ number: z.number(), failures: failuresSchema });
const all = z.object({ failures: failuresSchema, serving: z.number() });

export class SharedHealth {
  /** Failures of the other processes, by their numbers. Only the first process knows them apart. */
  readonly #byNumber = new Map<number, Failures>();
  #all: z.output<typeof all>;
  readonly #silent = new Map<number, Failures>();
  #own: Failures = {};
  readonly #now: () => number;
  /** When the first process has last asked this one whether it answers. */
  #askedAt: number;

  constructor(readonly links: HealthLinks) {
    const { number, count, calls, now = () => performance.now() } = links;
    this.#now = now;
    this.#askedAt = now();
    // Another process soon learns of the others from the first one.
    this.#all = { failures: {}, serving: number === 1 ? 1 : count };
    if (number === 1)
      calls.answer(ownCall, (payload) => {
        const { number: from, failures } = own.parse(payload);
        this.#byNumber.set(from, failures);
        this.#publish();
        return null;
      });
    else
      calls.answer(allCall, (payload) => {
        this.#all = all.parse(payload);
        return null;
      });
  }

  /** The failed parts of all other processes. */
  get failures(): Failures {
    const hangs = this.links.number > 1 && this.#now() - this.#askedAt > unaskedMillisecondsMax;
    return hangs ? { ...this.#all.failures, ...failuresOf(["processes"]) } : this.#all.failures;
  }

  /** The first process has asked this one whether it answers. */
  asked(): void {
    this.#askedAt = this.#now();
  }

  /** Number of processes that listen. */
  get serving(): number {
    return this.#all.serving;
  }

  get count(): number {
    return this.links.count;
  }

  /** Sends the failed parts of this process to the others, if they have changed. */
  tell(failures: Failures): void {
    const { number, tellFirst } = this.links;
    if (isDeepStrictEqual(failures, this.#own)) return;
    this.#own = failures;
    if (number > 1) tellFirst(ownCall, { number, failures });
    else this.#publish();
  }

  /** The process with that number listens. Call these in the first process. */
  began(number: number): void {
    if (!this.#byNumber.has(number)) this.#byNumber.set(number, {});
    this.#publish();
  }

  ended(number: number): void {
    this.#byNumber.delete(number);
    this.#silent.delete(number);
    this.#publish();
  }

  /** The process with that number does not answer, until it does. */
  silent(number: number, failures: Failures): void {
    if (!this.#byNumber.has(number)) return;
    this.#silent.set(number, failures);
    this.#publish();
  }

  answered(number: number): void {
    if (this.#silent.delete(number)) this.#publish();
  }

  #publish(): void {
    const failures: Failures = Object.assign({}, ...this.#byNumber.values(), ...this.#silent.values());
    const serving = this.#byNumber.size + 1;
    this.#all = { failures, serving };
    const payload = { failures: { ...failures, ...this.#own }, serving };
    this.links.calls.tell(allCall, payload);
  }
}
