/**
 * A request's body as it comes from uWebSockets.js. Attached before anything is awaited; until somebody
 * wants the bytes the sender is paused. What uWebSockets.js hands over whatever is paused is kept: one read of the
 * socket, 512 KiB, and with the newer build more from a client that sends faster than this process reads.
 */
import type { HttpResponse } from "uWebSockets.js";
import { memoryUsedUp, RegistryError } from "../domain/errors.js";
import { GrowingBuffer, type MemoryAccount } from "../lib/growing-buffer.js";
import type { HeldBytes } from "../lib/held-bytes.js";
import { networkOf } from "../lib/network.js";
import type { Overflow } from "../lib/overflow.js";
import type { Flow } from "../uploads/body-writer.js";
import { type ChunkBudget, ChunkWatch } from "./chunk-watch.js";
import type { SlowClientTimeouts, Wait } from "./slow-client-timeouts.js";

export interface BodySink {
  /** Takes a chunk, which is gone when this returns. */
  write(chunk: Uint8Array): void;
  /** Takes the bytes that came before it was there, and is to clear them. Without this they are written. */
  adopt?(held: HeldBytes): void;
}

/** The client went away before its body had come. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}

const dropped: BodySink = { write: () => {} };

export class RequestBody implements Flow {
  /** Bytes that have come. */
  received = 0;
  /** When the last of them came, by `performance.now()`; 0 until then. */
  endedAt = 0;
  #early: HeldBytes | undefined;
  #sink: BodySink | undefined;
  #ended = false;
  #gone = false;
  #paused = false;
  /** Whether nothing is read for a while, since the client sent too many tiny chunks. */
  #slowed = false;
  /** Whether the response has begun: with its end the body's hold on the connection ends, too. */
  #answered = false;
  /** Present where the body comes in chunks. */
  #watch: ChunkWatch | undefined;
  /** Why the body is not wanted any more. */
  #failure: unknown;
  #finish: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #wait: Wait | undefined;

  /**
   * `overflow` has what comes before there is a place for it; `address` is the client's; `chunks` is present where the
   * body comes in chunks.
   */
  constructor(
    readonly response: HttpResponse,
    readonly timeouts: SlowClientTimeouts,
    readonly overflow: Overflow,
    readonly address: string,
    chunks: ChunkBudget | undefined,
  ) {
    if (chunks !== undefined) this.#watch = new ChunkWatch(chunks, this);
    response.onData((data, isLast) => {
      if (data.byteLength > 0) this.#take(new Uint8Array(data));
      if (isLast) this.#end();
    });
  }

  /** Whether it comes in chunks of which more are to come: where the next request begins is not known yet. */
  get isUnfinishedChunks(): boolean {
    return this.#watch !== undefined && !this.#ended;
  }

  /** Whether uWebSockets.js waits for more though the body, of which nothing has come for so long, seems to be over. */
  isMisread(silentMilliseconds: number): boolean {
    return this.isUnfinishedChunks && this.#watch?.looksEnded(silentMilliseconds) === true;
  }

  hold(): HeldBytes {
    return this.overflow.hold(networkOf(this.address));
  }

  #take(chunk: Uint8Array): void {
    this.received += chunk.length;
    if (this.#watch !== undefined && !this.#answered && !this.#watch.see(chunk)) return;
    if (this.#wait !== undefined) this.#wait.moved = true;
    if (this.#sink !== undefined) {
      this.#sink.write(chunk);
      return;
    }
    this.#early ??= this.hold();
    try {
      if (!this.#early.append(chunk)) this.#fail(memoryUsedUp());
    } catch (error) {
      this.#fail(error);
    }
    this.pause();
  }

  /** The body is not wanted any more: what still comes of it is dropped. */
  #fail(error: unknown): void {
    this.#failure = error;
    this.#sink = dropped;
    this.#dropEarly();
    this.#wait?.end();
    this.#finish?.reject(error);
  }

  #dropEarly(): void {
    this.#early?.clear();
    this.#early = undefined;
  }

  #end(): void {
    this.#ended = true;
    this.endedAt = performance.now();
    this.#wait?.end();
    // There is nothing left to hold back, and the socket must read again for the next request.
    this.goOn();
    this.resume();
    this.#finish?.resolve();
  }

  /** To be called when the client has gone. */
  abort(): void {
    this.#gone = true;
    this.#wait?.end();
    this.#dropEarly();
    this.#finish?.reject(new ClientGone());
  }

  pause(): void {
    if (this.#paused || this.#ended || this.#gone || this.#answered) return;
    this.#paused = true;
    if (this.#wait !== undefined) this.#wait.held = true;
    if (!this.#slowed) this.response.pause();
  }

  resume(): void {
    if (!this.#paused || this.#gone || this.#answered) return;
    this.#paused = false;
    if (this.#wait !== undefined) this.#wait.held = false;
    if (!this.#slowed) this.response.resume();
  }

  slowDown(): void {
    if (this.#slowed || this.#ended || this.#gone || this.#answered) return;
    this.#slowed = true;
    if (!this.#paused) this.response.pause();
  }

  goOn(): void {
    if (!this.#slowed || this.#gone || this.#answered) return;
    this.#slowed = false;
    if (!this.#paused) this.response.resume();
  }

  cutOff(): void {
    this.response.close();
  }

  /** The body came as uWebSockets.js does not read it: it would wait for more without end. */
  refuseMisread(): void {
    this.#fail(
      new RegistryError(
        "request-invalid",
        "the chunks of this body do not add up: a chunk has a wrong size or an extension, and chunk extensions are not supported",
      ),
    );
  }

  /** Hands everything to `sink`, once. Resolves after the last byte; rejects with `ClientGone` or `too-many-requests`. */
  async pipeTo(sink: BodySink): Promise<void> {
    await this.#pipe(sink, () => this.timeouts.forSender(this));
  }

  async #pipe(sink: BodySink, wait: () => Wait): Promise<void> {
    if (this.#gone) throw new ClientGone();
    if (this.#failure !== undefined) throw this.#failure;
    this.#sink = sink;
    this.resume();
    this.#handOver(sink);
    // What the sink has found may have changed it.
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#ended) return;
    this.#wait = wait();
    this.#wait.held = this.#paused;
    await new Promise<void>((resolve, reject) => {
      this.#finish = { resolve, reject };
    });
  }

  /** Gives the sink what came before it was there. */
  #handOver(sink: BodySink): void {
    const early = this.#early;
    if (early === undefined) return;
    this.#early = undefined;
    if (sink.adopt !== undefined) {
      sink.adopt(early);
      return;
    }
    try {
      while (early.length > 0) {
        const part = early.peek();
        sink.write(part);
        early.drop(part.length);
      }
    } finally {
      early.clear();
    }
  }

  /**
   * To be called when the response begins. Reads what is left and drops it, so that the answer reaches the client and the
   * connection stays good. Of a body in chunks nothing is read any more, since nobody could bound what that costs; whether so.
   */
  leave(): boolean {
    const isCut = this.isUnfinishedChunks && !this.#gone;
    if (isCut) {
      if (!this.#paused && !this.#slowed) this.response.pause();
      this.#wait?.end();
      this.#dropEarly();
      this.#sink = dropped;
    } else {
      this.discard();
    }
    this.#answered = true;
    return isCut;
  }

  /** Reads what is left and drops it. */
  discard(): void {
    if (this.#gone || this.#ended) return;
    this.#wait?.end();
    this.#dropEarly();
    this.#sink = dropped;
    this.resume();
  }

  /**
   * Reads what is left and drops it. Resolves when all of it has come or the client has gone, and where there is
   * more than `bytesMax`, when so much has come.
   */
  async hearOut(bytesMax: number): Promise<void> {
    if (this.#gone || this.#ended) return;
    this.discard();
    const before = this.#finish;
    const wait = this.timeouts.forSmallBody(this);
    this.#wait = wait;
    await new Promise<void>((resolve) => {
      let left = bytesMax;
      this.#sink = {
        write: ({ length }) => {
          left -= length;
          if (left <= 0) resolve();
        },
      };
      this.#finish = {
        resolve: () => {
          before?.resolve();
          resolve();
        },
        reject: (error) => {
          before?.reject(error);
          resolve();
        },
      };
    });
    wait.end();
  }

  /**
   * Lets `work` have the whole body, in memory of `account` that is given back when it has ended. Rejects with
   * `manifest-too-large`, `too-many-requests` or `ClientGone`, and with what `work` does.
   */
  async collect<T>(
    account: MemoryAccount,
    { bytesMax, bytesExpected }: { readonly bytesMax: number; readonly bytesExpected?: number | undefined },
    work: (bytes: Buffer) => Promise<T>,
  ): Promise<T> {
    const collected = new GrowingBuffer(account, bytesExpected);
    try {
      await this.#pipe(
        {
          write: (chunk) => {
            if (collected.length + chunk.length > bytesMax) this.#fail(tooLarge(bytesMax));
            else if (!collected.append(chunk)) this.#fail(memoryUsedUp());
          },
        },
        () => this.timeouts.forSmallBody(this),
      );
      return await work(collected.whole());
    } finally {
      collected.clear();
    }
  }
}

export function tooLarge(bytesMax: number): RegistryError {
  return new RegistryError("manifest-too-large", `this body may have at most ${bytesMax} bytes`);
}
