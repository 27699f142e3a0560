/**
 * One endpoint: the events that it wants, waiting in a bounded queue, and their delivery in order, many in an
 * envelope, again and again until they are taken. To give it an event costs the same whether its receiver is well,
 * slow or dead.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Action } from "../registry/registry-event.js";
import { EventQueue } from "./event-queue.js";

export interface EndpointOptions {
  readonly name: string;
  /** Failures in a row from which on it is waited between two tries. */
  readonly threshold: number;
  readonly backOffSeconds: number;
  readonly ignoredMediaTypes: ReadonlySet<string>;
  readonly ignoredActions: ReadonlySet<Action>;
  readonly queueEventsMax: number;
  readonly queueBytesMax: number;
  /** Rejects where the envelope was not taken. */
  readonly post: (envelope: Buffer) => Promise<void>;
  /** Told of the first failure after a success. */
  readonly onFailing: (error: unknown) => void;
  /** Told of the first success after failures, and how many these were. */
  readonly onWell: (failures: number) => void;
  /** Told when the first event finds no room. */
  readonly onFull: () => void;
  /** Told how many found none, when all the others have been delivered. */
  readonly onDropped: (events: number) => void;
}

/** Numbers since the start. */
export interface EndpointCounts {
  /** That it wanted. */
  events: number;
  delivered: number;
  /** That found no room. */
  dropped: number;
  /** Envelopes that were not taken, each try. */
  failures: number;
}

/** Nobody misses a webhook by it, and a busy server posts 50 times a second at most. */
const gatherMilliseconds = 20;

/** Some 250 KB; servers in front of receivers often take 1 MB and no more. */
const envelopeEventsMax = 400;
const envelopeBytesMax = 256 * 1024;

const envelopeHead = Buffer.from('{"events":[');
const envelopeTail = Buffer.from("]}");

export class Endpoint {
  readonly counts: EndpointCounts = { events: 0, delivered: 0, dropped: 0, failures: 0 };
  readonly #queue: EventQueue;
  readonly #closing = new AbortController();
  #delivering: Promise<void> | undefined;
  /** In a row. */
  #failures = 0;
  /**
   * Most events of the next envelope: half as many after a failure, one more after a success. So none that is too
   * much for its receiver, in bytes or in time, is tried for ever.
   */
  #envelopeEvents = envelopeEventsMax;
  /** Since the queue was last empty. */
  #dropped = 0;

  constructor(readonly options: EndpointOptions) {
    this.#queue = new EventQueue(options.queueEventsMax, options.queueBytesMax);
  }

  get pending(): number {
    return this.#queue.length;
  }

  /** `mediaType`: of what the event is about, where that is known. */
  wants(action: Action, mediaType: string | undefined): boolean {
    const { ignoredActions, ignoredMediaTypes } = this.options;
    return !ignoredActions.has(action) && (mediaType === undefined || !ignoredMediaTypes.has(mediaType));
  }

  take(event: string): void {
    this.counts.events++;
    this.#count(this.#queue.push(event));
    this.#delivering ??= this.#deliver();
  }

  #count(dropped: number): void {
    if (dropped === 0) return;
    if (this.#dropped === 0) this.options.onFull();
    this.#dropped += dropped;
    this.counts.dropped += dropped;
  }

  async #deliver(): Promise<void> {
    do {
      await pause(this.#pauseMilliseconds(), undefined, { signal: this.#closing.signal }).catch(() => {});
      await this.#deliverSome();
      // Who stops the server is not kept waiting by a receiver that is away.
    } while (this.#queue.length > 0 && !(this.#closing.signal.aborted && this.#failures > 0));
    this.#delivering = undefined;
    if (this.#dropped > 0) this.options.onDropped(this.#dropped);
    this.#dropped = 0;
  }

  #pauseMilliseconds(): number {
    const { threshold, backOffSeconds } = this.options;
    if (this.#failures >= threshold) return backOffSeconds * 1000;
    return this.#failures > 0 ? 0 : gatherMilliseconds;
  }

  async #deliverSome(): Promise<void> {
    const { post, onFailing, onWell } = this.options;
    const batch = this.#queue.peek(this.#envelopeEvents, envelopeBytesMax);
    if (batch.events === 0) return;
    try {
      await post(Buffer.concat([envelopeHead, batch.json, envelopeTail]));
    } catch (error) {
      this.counts.failures++;
      this.#envelopeEvents = Math.ceil(batch.events / 2);
      if (this.#failures++ === 0) onFailing(error);
      return;
    }
    this.counts.delivered += this.#queue.remove(batch);
    this.#envelopeEvents = Math.min(this.#envelopeEvents + 1, envelopeEventsMax);
    if (this.#failures > 0) onWell(this.#failures);
    this.#failures = 0;
  }

  /** Delivers what waits, until something fails. To be called when there are no more events. */
  async flush(): Promise<void> {
    this.#closing.abort();
    await this.#delivering;
  }
}
