/**
 * Writes the body of one request into its upload: chunks are copied into slabs, and full slabs go to the storage. If slabs
 * are short, the sender is paused before it sends, and resumed when a slab is free. A sender that then has nothing to send
 * holds no slab. Knows nothing of HTTP; the owner of the socket passes a `Flow`.
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

/** Controls the sender. Bytes that were already received may still arrive after `pause`. */
export interface Flow {
  /** Returns a holder for bytes that arrive while there is no slab. */
  hold(): HeldBytes;
  pause(): void;
  resume(): void;
}

/**
 * Slabs of one body being written: two keep a worker busy, more take memory from other bodies. While most slabs are free, a
 * body may use more for bytes that arrive although the sender is paused. Otherwise half of a push by a client on the same
 * machine went through a scratch file (docs/decisions/0056). So would a quarter if slabs were only reused when their
 * workers' messages arrive.
 */
const slabsInFlightMax = 4;

export class BodyWriter {
  readonly times = new BodyTimes();
  /** The slab being filled. Its bytes are those from `#start` to `#filled`. */
  #slab: number | undefined;
  #start = 0;
  #filled = 0;
  /** Bytes that arrived while there was no slab. */
  #held: HeldBytes | undefined;
  /** Parts whose bytes a worker needs. */
  readonly #inFlight = new Set<SlabPart>();
  /** Parts that no worker has answered for. */
  #unanswered = 0;
  /** Offset in the upload of the first byte that has not been sent to the storage. */
  #offset: number;
  #ended = false;
  #isSealed = false;
  #failure: unknown;
  #leaveQueue: (() => void) | undefined;
  #flushing = false;
  /** Callers that wait for all writes to end: the end of the body, and the clean-up after a failure. */
  #waiting: (() => void)[] = [];

  constructor(
    readonly session: Session,
    readonly upload: Upload,
    readonly slabs: SlabPool,
    readonly flow: Flow,
    /** Called once with the error that stops the writing. */
    readonly onFailure: (error: unknown) => void = () => {},
  ) {
    this.#offset = session.received;
    slabs.listeners.add(this);
  }

  /** The error that stopped the writing, if there was one. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Copies a chunk. The caller owns it again when this returns. */
  write(chunk: Uint8Array): void {
    if (this.#failure !== undefined || this.#ended) return;
    if (this.#held !== undefined && this.#takeBack()) this.#advance();
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

  /** Takes over bytes that arrived before this writer existed. Call it at most once, before `write`. */
  adopt(held: HeldBytes): void {
    assert(this.#held === undefined, "nothing came before");
    this.#held = held;
    if (this.#failure !== undefined || this.#ended) this.#dropHeld();
    else this.#advance();
    this.#steer();
  }

  /** Holds a copy until a slab is free. Throws `too-many-requests` and storage errors. */
  #hold(bytes: Uint8Array): void {
    this.#held ??= this.flow.hold();
    const isKept = this.#held.append(bytes);
    this.slabs.relieve();
    if (!isKept) throw memoryUsedUp();
  }

  /** Copies as much of `chunk` as possible into slabs. Returns the number of bytes copied. */
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
    if (this.#leaveQueue !== undefined) return false;
    if (this.#inFlight.size >= slabsInFlightMax && !this.slabs.isPlentiful) {
      if (!this.#takeBack()) return false;
    }
    const slab = this.slabs.take();
    if (slab === undefined) this.#queueForSlab();
    else this.#useSlab(slab);
    return slab !== undefined;
  }

  /**
   * Returns the slabs that workers need no more, although their messages have not arrived: they cannot while one callback
   * after the other delivers bytes of a fast sender. Returns whether there were any.
   */
  #takeBack(): boolean {
    const before = this.#inFlight.size;
    for (const part of this.#inFlight) {
      if (!this.slabs.isDone(part.slab)) continue;
      part.isGivenBack = true;
      this.#giveBack(part);
    }
    return this.#inFlight.size < before;
  }

  #giveBack(part: SlabPart): void {
    if (!this.#inFlight.delete(part)) return;
    this.slabs.give(part.slab);
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
   * Pauses or resumes the sender. Pauses early enough that the next chunk finds a slab: a chunk that must be held is copied
   * twice and takes memory that the pool does not bound.
   */
  #steer(): void {
    if (this.#ended || this.#failure !== undefined) return;
    const busy = this.#inFlight.size >= slabsInFlightMax - 1;
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

  /** The pool calls this when too many bytes are held without a slab. */
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

  /** Copies as many held bytes as possible into slabs. Returns whether none are left. */
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

  /** Releases an unused slab after the resumed socket has been read once. */
  #lendEmptySlab(): void {
    if (this.#ended || this.#failure !== undefined) this.#releaseEmptySlab();
    // The first runs after the sockets of this turn, the second after those of the next.
    else setImmediate(() => setImmediate(() => this.#releaseEmptySlab()));
  }

  /** Sends a partly filled slab at the end of the turn, so that small records coalesce and an idle body holds no slab. */
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
    // While others wait for slabs, a slab is sent although it is not full.
    if (this.#unanswered > 0 && !this.slabs.exhausted) return;
    this.#send();
    this.#steer();
  }

  /** Sends the filled part of the slab to the storage. */
  #send(): void {
    const part = this.#takePart();
    assert(part !== undefined, "there is something to send");
    const offset = this.#offset;
    this.#offset += part.length;
    this.#inFlight.add(part);
    this.#unanswered++;
    const sentAt = now();
    this.upload
      .append(part, offset, this.#ended && this.#held === undefined)
      .then((times) => {
        this.times.add(sentAt, times);
        if (this.#failure === undefined) this.session.wrote(part.length);
      })
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#unanswered--;
        this.#giveBack(part);
        if (this.#leaveQueue === undefined) this.#advance();
        this.#flush();
        this.#settle();
      });
  }

  /** Returns the filled part of the slab, which the caller now has to give back. */
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
    // Read and drop the rest of the body, so that the client sees the response.
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

  /** Gives up the place in the queue and the empty slab: no more bytes will come. */
  #stopListening(): void {
    this.#ended = true;
    this.slabs.listeners.delete(this);
    if (this.#held !== undefined) return;
    this.#leaveQueue?.();
    this.#leaveQueue = undefined;
    this.#releaseEmptySlab();
  }

  /** Resolves when all sent slabs are written and no bytes wait for a slab. Bytes in the last slab may remain. */
  async #quiet(): Promise<void> {
    if (!this.#isQuiet()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#failure !== undefined) throw this.#failure;
  }

  #isQuiet(): boolean {
    return this.#unanswered === 0 && this.#held === undefined && this.#leaveQueue === undefined;
  }

  #settle(): void {
    if (this.#waiting.length === 0 || !this.#isQuiet()) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Ends the body and leaves the upload open. Resolves when all bytes are written. Rejects with the error that stopped it. */
  async end(): Promise<void> {
    this.#stopListening();
    await this.#quiet();
    if (!this.#isEmpty) this.#send();
    await this.#quiet();
  }

  /** Ends the body and seals the upload. Rejects with `digest-mismatch` and storage errors. */
  async seal(expected: Digest): Promise<void> {
    await this.#finish(async (tail) => {
      const sentAt = now();
      this.times.add(sentAt, await this.upload.seal(expected, tail));
    });
    this.#isSealed = true;
  }

  /** Makes the upload a blob. Ends the body and seals the upload first, unless `seal` has. */
  async commit(name: RepositoryName, digest: Digest, spans: Spans): Promise<Commit> {
    if (this.#isSealed) return this.upload.commit(name, digest, undefined, spans);
    return this.#finish(async (tail) => {
      const sentAt = now();
      const commit = await this.upload.commit(name, digest, tail, spans);
      if (commit.times !== undefined) this.times.add(sentAt, commit.times);
      return commit;
    });
  }

  /** Runs `work` with the rest of the body when everything before it is written. */
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

  /** Drops the body, because the sender has gone. Resolves when none of it is being written. Never rejects. */
  async abort(): Promise<void> {
    this.#ended = true;
    this.#drop();
    await this.#quiet().catch(() => {});
  }
}
