/**
 * A request's body as uWebSockets.js delivers it. It is attached before anything is awaited, and pauses the sender until a
 * sink is attached. uWebSockets.js still delivers some bytes while paused, which are kept: one read of the socket, 512 KiB,
 * and with the newer build more from a client that sends faster than this process reads.
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
  /** Receives a chunk, which is valid only until this returns. */
  write(chunk: Uint8Array): void;
  /** Takes over the bytes that arrived before the sink was attached, and must clear them. Without this, they are written. */
  adopt?(held: HeldBytes): void;
}

/** The client disconnected before its whole body arrived. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}

const dropped: BodySink = { write: () => {} };

export class RequestBody implements Flow {
  /** Bytes received so far. */
  received = 0;
  /** `performance.now()` when the last byte arrived; 0 until then. */
  endedAt = 0;
  #early: HeldBytes | undefined;
  #sink: BodySink | undefined;
  #ended = false;
  #gone = false;
  #paused = false;
  /** Whether reading is suspended for a while because the client sent too many tiny chunks. */
  #slowed = false;
  /** Whether the response has begun. After its end, the body must not touch the connection. */
  #answered = false;
  /** Present for a chunked body. */
  #watch: ChunkWatch | undefined;
  /** The reason why the body is refused. */
  #failure: unknown;
  #finish: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #wait: Wait | undefined;

  /**
   * `overflow` is the budget for bytes that arrive before there is a sink, `address` is the client's, and `chunks` is present
   * for a chunked body.
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

  /** Whether a chunked body is incomplete, so that the start of the next request is unknown. */
  get isUnfinishedChunks(): boolean {
    return this.#watch !== undefined && !this.#ended;
  }

  /** Whether uWebSockets.js waits for more although the body looks complete and was silent for `silentMilliseconds`. */
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

  /** Refuses the body and drops bytes that still arrive. */
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
    // Reading again starts the ten seconds of uWebSockets.js, but the work may take longer, with a storage that hangs.
    if ((this.#paused || this.#slowed) && !this.#answered) this.#wait = this.timeouts.forWork(this.response);
    // Nothing is held back any more, and the socket must read again for the next request.
    this.goOn();
    this.resume();
    this.#finish?.resolve();
  }

  /** Call it when the client has disconnected. */
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

  /** Refuses a body that uWebSockets.js misreads and for which it would wait forever. */
  refuseMisread(): void {
    this.#fail(
      new RegistryError(
        "request-invalid",
        "the chunks of this body are malformed: a chunk has a wrong size or an extension, and chunk extensions are not supported",
      ),
    );
  }

  /** Sends the body to `sink`; call it once. Resolves after the last byte. Rejects with `ClientGone` or `too-many-requests`. */
  async pipeTo(sink: BodySink): Promise<void> {
    await this.#pipe(sink, () => this.timeouts.forSender(this));
  }

  async #pipe(sink: BodySink, wait: () => Wait): Promise<void> {
    if (this.#gone) throw new ClientGone();
    if (this.#failure !== undefined) throw this.#failure;
    this.#sink = sink;
    this.resume();
    this.#handOver(sink);
    // The sink may have set it meanwhile.
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#ended) return;
    this.#wait = wait();
    this.#wait.held = this.#paused;
    await new Promise<void>((resolve, reject) => {
      this.#finish = { resolve, reject };
    });
  }

  /** Passes on the bytes that arrived before the sink was attached. */
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
   * Call it when the response begins. Reads and drops the rest of the body, so that the response reaches the client and the
   * connection stays usable. Returns true for an unfinished chunked body instead, and reads no more of it: the cost of
   * reading it has no bound.
   */
  leave(): boolean {
    if (this.#ended) this.#wait?.end();
    const isLeftUnread = this.isUnfinishedChunks && !this.#gone;
    if (isLeftUnread) {
      if (!this.#paused && !this.#slowed) this.response.pause();
      this.#wait?.end();
      this.#dropEarly();
      this.#sink = dropped;
    } else {
      this.discard();
    }
    this.#answered = true;
    return isLeftUnread;
  }

  /** Reads and drops the rest of the body. */
  discard(): void {
    if (this.#gone || this.#ended) return;
    this.#wait?.end();
    this.#dropEarly();
    this.#sink = dropped;
    this.resume();
  }

  /**
   * Reads and drops the rest of the body. Resolves after its end, after `bytesMax` bytes, or when the client has
   * disconnected.
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
   * Runs `work` with the whole body in memory of `account`, which it releases when `work` has ended. Rejects with
   * `manifest-too-large`, `too-many-requests` or `ClientGone`, or with the error of `work`.
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
