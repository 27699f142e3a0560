/**
 * One webhook endpoint: queues its events within bounds and delivers them in order, many per envelope, retrying until they
 * are accepted. Adding an event costs the same whether the receiver is healthy, slow or dead.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Action } from "../registry/registry-event.js";
import { EventQueue } from "./event-queue.js";

export interface EndpointOptions {
  readonly name: string;
  /** Consecutive failures from which on it waits between attempts. */
  readonly threshold: number;
  readonly backOffSeconds: number;
  readonly ignoredMediaTypes: ReadonlySet<string>;
  readonly ignoredActions: ReadonlySet<Action>;
  readonly queueEventsMax: number;
  readonly queueBytesMax: number;
  /** Posts an envelope. Rejects if it was not accepted. */
  readonly post: (envelope: Buffer) => Promise<void>;
  /** Called for the first failure after a success. */
  readonly onFailing: (error: unknown) => void;
  /** Called for the first success after failures, with their number. */
  readonly onWell: (failures: number) => void;
  /** Called when the first event is dropped because the queue is full. */
  readonly onFull: () => void;
  /** Called with the number of dropped events, after all others have been delivered. */
  readonly onDropped: (events: number) => void;
}

/** Counts since the start. */
export interface EndpointCounts {
  /** Events for this endpoint. */
  events: number;
  delivered: number;
  /** Dropped events. */
  dropped: number;
  /** Failed attempts to deliver an envelope. */
  failures: number;
}

/** Time to gather events. It delays none noticeably, and limits a busy server to 50 posts per second. */
const gatherMilliseconds = 20;

/** About 250 KB; proxies in front of receivers often accept at most 1 MB. */
const envelopeEventsMax = 400;
const envelopeBytesMax = 256 * 1024;

const envelopeHead = Buffer.from('{"events":[');
const envelopeTail = Buffer.from("]}");

export class Endpoint {
  readonly counts: EndpointCounts = { events: 0, delivered: 0, dropped: 0, failures: 0 };
  readonly #queue: EventQueue;
  readonly #closing = new AbortController();
  #delivering: Promise<void> | undefined;
  /** Consecutive failures. */
  #failures = 0;
  /**
   * Maximum events of the next envelope: halved after a failure, plus one after a success. So an envelope that is too large
   * or too slow for the receiver is not retried forever.
   */
  #envelopeEvents = envelopeEventsMax;
  /** Events dropped since the queue was last empty. */
  #dropped = 0;

  constructor(readonly options: EndpointOptions) {
    this.#queue = new EventQueue(options.queueEventsMax, options.queueBytesMax);
  }

  get pending(): number {
    return this.#queue.length;
  }

  /** Returns whether the endpoint receives such events. `mediaType` is the object's, if known. */
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
      // An unreachable receiver must not delay a shutdown.
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

  /** Delivers waiting events until an attempt fails. Call it when there are no new events. */
  async flush(): Promise<void> {
    this.#closing.abort();
    await this.#delivering;
  }
}
