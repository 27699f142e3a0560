/**
 * One request's body on its way into its session: chunks go into slabs, slabs to the worker. Where slabs
 * are short the sender is paused before it sends, and resumed when there is a slab for what it sends; a
 * sender who then has nothing to send holds none. Knows nothing of HTTP: whoever owns the socket gives it
 * `Flow`.
 */

import type { Digest } from "../domain/digest.js";
import { memoryUsedUp } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { assert } from "../lib/assert.js";
import { now } from "../lib/clock.js";
import type { HeldBytes } from "../lib/held-bytes.js";
import type { SlabPart, SlabPool } from "../lib/slab-pool.js";
import type { Spans } from "../lib/spans.js";
import type { Commit, Tail, Upload } from "../storage/storage.js";
import { BodyTimes } from "./body-times.js";
import type { Session } from "./session.js";

/** The sender, who can be made to wait. What was already received may still come after `pause`. */
export interface Flow {
  /** Room for bytes for which there is no slab yet. */
  hold(): HeldBytes;
  pause(): void;
  resume(): void;
}

/** Slabs of one body on their way: two would keep a worker busy, more take memory from the others. */
const slabsInFlightMax = 4;

export class BodyWriter {
  readonly times = new BodyTimes();
  /** The slab being filled, from `#start` on and up to `#filled`. */
  #slab: number | undefined;
  #start = 0;
  #filled = 0;
  /** Bytes that came all the same while there was no slab. */
  #held: HeldBytes | undefined;
  #inFlight = 0;
  /** Offset in the upload of the first byte that no task has been made for. */
  #offset: number;
  #ended = false;
  #isSealed = false;
  #failure: unknown;
  #leaveQueue: (() => void) | undefined;
  #flushing = false;
  /** Who waits for the body to be quiet: its end, and whoever cleans up after a failure. */
  #waiting: (() => void)[] = [];

  constructor(
    readonly session: Session,
    readonly upload: Upload,
    readonly slabs: SlabPool,
    readonly flow: Flow,
    /** Told once of what keeps the body from being written. */
    readonly onFailure: (error: unknown) => void = () => {},
  ) {
    this.#offset = session.received;
    slabs.listeners.add(this);
  }

  /** What kept the body from being written, if anything did. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Takes a chunk, which is the caller's again when this returns. */
  write(chunk: Uint8Array): void {
    if (this.#failure !== undefined || this.#ended) return;
    const taken = this.#held === undefined ? this.#fill(chunk) : 0;
    if (taken < chunk.length) {
      try {
        this.#hold(taken === 0 ? chunk : chunk.subarray(taken));
      } catch (error) {
        this.#fail(error);
        return;
      }
    }
    this.#steer();
    this.#flushAtEndOfTurn();
  }

  /** Takes bytes that came before this writer was there, in place of a first `write`. */
  adopt(held: HeldBytes): void {
    assert(this.#held === undefined, "nothing came before");
    this.#held = held;
    if (this.#failure !== undefined || this.#ended) this.#dropHeld();
    else this.#advance();
    this.#steer();
  }

  /** Keeps a copy until there is a slab. Throws `too-many-requests` and storage errors. */
  #hold(bytes: Uint8Array): void {
    this.#held ??= this.flow.hold();
    const isKept = this.#held.append(bytes);
    this.slabs.relieve();
    if (!isKept) throw memoryUsedUp();
  }

  /** Puts as much as it can of `chunk` into slabs; how much. */
  #fill(chunk: Uint8Array): number {
    let taken = 0;
    while (taken < chunk.length) {
      if (this.#slab === undefined && !this.#takeSlab()) break;
      const slab = this.#slab;
      assert(slab !== undefined, "a slab was taken");
      const count = Math.min(chunk.length - taken, this.slabs.slabBytes - this.#filled);
      this.slabs.copyInto(
        slab,
        this.#filled,
        count === chunk.length ? chunk : chunk.subarray(taken, taken + count),
      );
      this.#filled += count;
      taken += count;
      if (this.#filled === this.slabs.slabBytes) this.#send();
    }
    return taken;
  }

  #takeSlab(): boolean {
    if (this.#inFlight >= slabsInFlightMax || this.#leaveQueue !== undefined) return false;
    const slab = this.slabs.take();
    if (slab === undefined) this.#queueForSlab();
    else this.#useSlab(slab);
    return slab !== undefined;
  }

  #useSlab(slab: number): void {
    this.#slab = slab;
    this.#start = this.#offset % this.slabs.blockBytes;
    this.#filled = this.#start;
  }

  get #isEmpty(): boolean {
    return this.#filled === this.#start;
  }

  #queueForSlab(): void {
    this.#leaveQueue = this.slabs.wait((slab) => {
      this.#leaveQueue = undefined;
      this.#useSlab(slab);
      this.#advance();
    });
  }

  /**
   * Lets the sender go on where there is room for what it sends. Paused early enough that the next chunk
   * finds a slab: one that has to be held is copied twice, and takes memory that the pool does not bound.
   */
  #steer(): void {
    if (this.#ended || this.#failure !== undefined) return;
    const busy = this.#inFlight >= slabsInFlightMax - 1;
    const { exhausted, pressed } = this.slabs;
    if (!busy && this.#slab === undefined && this.#leaveQueue === undefined && (exhausted || pressed)) {
      if (this.#takeSlab()) this.#lendEmptySlab();
    }
    if (busy || this.#held !== undefined || this.#leaveQueue !== undefined) {
      this.slabs.listeners.delete(this);
      this.flow.pause();
    } else {
      this.slabs.listeners.add(this);
      this.flow.resume();
    }
  }

  /** To be called by the pool: too many bytes are held without a slab. */
  waitForSlab(): void {
    if (this.#slab === undefined) this.#steer();
  }

  #advance(): void {
    if (this.#held !== undefined && !this.#fillFromHeld(this.#held)) {
      this.#settle();
      return;
    }
    if (this.#slab !== undefined && this.#isEmpty) this.#lendEmptySlab();
    this.#steer();
    this.#flushAtEndOfTurn();
    this.#settle();
  }

  /** Puts as much as it can of what is held into slabs. Returns whether that was all of it. */
  #fillFromHeld(held: HeldBytes): boolean {
    try {
      while (held.length > 0) {
        const part = held.peek();
        const taken = this.#fill(part);
        held.drop(taken);
        if (taken < part.length) return false;
      }
    } catch (error) {
      this.#fail(error);
      return false;
    }
    this.#dropHeld();
    return true;
  }

  /** A slab to resume with is kept until the socket has been asked once for what it has. */
  #lendEmptySlab(): void {
    if (this.#ended || this.#failure !== undefined) this.#releaseEmptySlab();
    // The first comes behind the sockets of this turn, the second behind those of the next.
    else setImmediate(() => setImmediate(() => this.#releaseEmptySlab()));
  }

  /** What there is at the end of the turn goes, so that small records coalesce and nobody idle holds a slab. */
  #flushAtEndOfTurn(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#ended || this.#failure !== undefined || this.#isEmpty) return;
    // Where others wait, a slab that is not full yet is no reason to keep it.
    if (this.#inFlight > 0 && !this.slabs.exhausted) return;
    this.#send();
    this.#steer();
  }

  /** Makes what is in the slab a task. */
  #send(): void {
    const part = this.#takePart();
    assert(part !== undefined, "there is something to send");
    const offset = this.#offset;
    this.#offset += part.length;
    this.#inFlight++;
    const sentAt = now();
    this.upload
      .append(part, offset)
      .then((times) => {
        this.times.add(sentAt, times);
        if (this.#failure === undefined) this.session.wrote(part.length);
      })
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#inFlight--;
        this.slabs.give(part.slab);
        if (this.#leaveQueue === undefined) this.#advance();
        this.#flush();
        this.#settle();
      });
  }

  /** The filled part of the slab, now the task's to give back. */
  #takePart(): SlabPart | undefined {
    if (this.#slab === undefined) return undefined;
    const part = { slab: this.#slab, start: this.#start, length: this.#filled - this.#start };
    this.#slab = undefined;
    this.#filled = this.#start;
    return part;
  }

  #fail(error: unknown): void {
    const isFirst = this.#failure === undefined;
    this.#failure ??= error;
    this.#drop();
    // The rest of the body is read and dropped, so that the client gets to see the answer.
    this.flow.resume();
    if (isFirst) this.onFailure(error);
  }

  #dropHeld(): void {
    this.#held?.clear();
    this.#held = undefined;
  }

  #drop(): void {
    this.slabs.listeners.delete(this);
    this.#leaveQueue?.();
    this.#leaveQueue = undefined;
    this.#dropHeld();
    this.#filled = this.#start;
    this.#releaseEmptySlab();
  }

  #releaseEmptySlab(): void {
    if (this.#slab === undefined || !this.#isEmpty) return;
    const slab = this.#slab;
    this.#slab = undefined;
    this.slabs.give(slab);
  }

  /** No more will come: gives up what was meant for it. */
  #stopListening(): void {
    this.#ended = true;
    this.slabs.listeners.delete(this);
    if (this.#held !== undefined) return;
    this.#leaveQueue?.();
    this.#leaveQueue = undefined;
    this.#releaseEmptySlab();
  }

  /** Resolves when all tasks are done and nothing waits for a slab; what is in the last slab may remain. */
  async #quiet(): Promise<void> {
    if (!this.#isQuiet()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#failure !== undefined) throw this.#failure;
  }

  #isQuiet(): boolean {
    return this.#inFlight === 0 && this.#held === undefined && this.#leaveQueue === undefined;
  }

  #settle(): void {
    if (this.#waiting.length === 0 || !this.#isQuiet()) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Ends the body of a session that goes on: resolves when all of it is written. Rejects with what failed. */
  async end(): Promise<void> {
    this.#stopListening();
    await this.#quiet();
    if (!this.#isEmpty) this.#send();
    await this.#quiet();
  }

  /** Ends the body and seals the upload. Rejects with `digest-mismatch`, and with what the storage failed with. */
  async seal(expected: Digest): Promise<void> {
    await this.#finish(async (tail) => {
      const sentAt = now();
      this.times.add(sentAt, await this.upload.seal(expected, tail));
    });
    this.#isSealed = true;
  }

  /** Makes the upload a blob, and ends the body and seals the upload first if that has not been done. */
  async commit(name: RepositoryName, digest: Digest, spans: Spans): Promise<Commit> {
    if (this.#isSealed) return this.upload.commit(name, digest, undefined, spans);
    return this.#finish(async (tail) => {
      const sentAt = now();
      const commit = await this.upload.commit(name, digest, tail, spans);
      if (commit.times !== undefined) this.times.add(sentAt, commit.times);
      return commit;
    });
  }

  /** Lets `work` have what is left of the body when all else is written. */
  async #finish<T>(work: (tail: Tail) => Promise<T>): Promise<T> {
    this.#stopListening();
    await this.#quiet();
    const part = this.#takePart();
    this.session.enter("sealing");
    try {
      return await work({ offset: this.#offset, part });
    } finally {
      if (part !== undefined) this.slabs.give(part.slab);
    }
  }

  /** The sender has gone: resolves when nothing of this body is on its way any more. Never rejects. */
  async abort(): Promise<void> {
    this.#ended = true;
    this.#drop();
    await this.#quiet().catch(() => {});
  }
}
