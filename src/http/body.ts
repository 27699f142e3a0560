/**
 * A request's body as it comes from uWebSockets.js. Attached before anything is awaited; until somebody
 * wants the bytes the sender is paused, and what had been received by then is kept.
 */
import type { HttpResponse } from "uWebSockets.js";
import { RegistryError } from "../domain/errors.js";
import type { Flow } from "../uploads/body-writer.js";
import type { Patience, Wait } from "./patience.js";

export interface BodySink {
  /** Takes a chunk, which is gone when this returns. */
  write(chunk: Uint8Array): void;
}

/** The client went away before its body had come. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}

export class RequestBody implements Flow {
  /** Bytes that have come. */
  received = 0;
  /** When the last of them came, by `performance.now()`; 0 until then. */
  endedAt = 0;
  readonly #early: Uint8Array[] = [];
  #sink: BodySink | undefined;
  #ended = false;
  #gone = false;
  #paused = false;
  #finish: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #wait: Wait | undefined;

  constructor(
    readonly response: HttpResponse,
    readonly patience: Patience,
  ) {
    response.onData((data, isLast) => {
      if (data.byteLength > 0) this.#take(new Uint8Array(data));
      if (isLast) this.#end();
    });
  }

  #take(chunk: Uint8Array): void {
    this.received += chunk.length;
    if (this.#wait !== undefined) this.#wait.moved = true;
    if (this.#sink !== undefined) {
      this.#sink.write(chunk);
      return;
    }
    this.#early.push(chunk.slice());
    this.pause();
  }

  #end(): void {
    this.#ended = true;
    this.endedAt = performance.now();
    this.#wait?.end();
    // There is nothing left to hold back, and the socket must read again for the next request.
    this.resume();
    this.#finish?.resolve();
  }

  /** To be called when the client has gone. */
  abort(): void {
    this.#gone = true;
    this.#wait?.end();
    this.#early.length = 0;
    this.#finish?.reject(new ClientGone());
  }

  pause(): void {
    if (this.#paused || this.#ended || this.#gone) return;
    this.#paused = true;
    if (this.#wait !== undefined) this.#wait.held = true;
    this.response.pause();
  }

  resume(): void {
    if (!this.#paused || this.#gone) return;
    this.#paused = false;
    if (this.#wait !== undefined) this.#wait.held = false;
    this.response.resume();
  }

  /** Hands everything to `sink`, once. Resolves after the last byte; rejects with `ClientGone`. */
  async pipeTo(sink: BodySink): Promise<void> {
    if (this.#gone) throw new ClientGone();
    this.#sink = sink;
    this.resume();
    for (const chunk of this.#early.splice(0)) sink.write(chunk);
    if (this.#ended) return;
    this.#wait = this.patience.forSender(this.response);
    this.#wait.held = this.#paused;
    await new Promise<void>((resolve, reject) => {
      this.#finish = { resolve, reject };
    });
  }

  /** Reads what is left and drops it, so that the answer reaches the client and the connection stays good. */
  discard(): void {
    if (this.#gone || this.#ended) return;
    this.#wait?.end();
    this.#early.length = 0;
    this.#sink = { write: () => {} };
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
  }

  /** The whole body, if it has at most `bytesMax` bytes. Rejects with `manifest-too-large` or `ClientGone`. */
  async collect(bytesMax: number): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    await this.pipeTo({
      write: (chunk) => {
        length += chunk.length;
        // What is too much is counted, not kept.
        if (length <= bytesMax) chunks.push(chunk.slice());
        else chunks.length = 0;
      },
    });
    if (length > bytesMax) throw tooLarge(bytesMax);
    return Buffer.concat(chunks, length);
  }
}

export function tooLarge(bytesMax: number): RegistryError {
  return new RegistryError("manifest-too-large", `this body may have at most ${bytesMax} bytes`);
}
