/** Waits until the socket of a response accepts more bytes. */
import type { HttpResponse } from "uWebSockets.js";
import type { SlowClientTimeouts } from "./slow-client-timeouts.js";

/** The part of `Exchange` that this class needs. */
interface Sending {
  readonly response: HttpResponse;
  readonly timeouts: SlowClientTimeouts;
  readonly aborted: boolean;
  isComplete: boolean;
  onAbort(handler: () => void): void;
}

export class SocketRoom {
  #isFull: boolean;
  #wake: (() => void) | undefined;

  /** Create one for each response: uWebSockets.js loses a handler that is registered while another one runs. */
  constructor(
    readonly sending: Sending,
    state: "empty" | "full" = "empty",
  ) {
    this.#isFull = state === "full";
    sending.response.onWritable(() => {
      this.#notify();
      return true;
    });
    sending.onAbort(() => this.#notify());
  }

  /** Writes with `tryEnd`; call it corked. Returns the number of bytes of the whole response that the socket has accepted. */
  write(bytes: Uint8Array, position: number, size: number): number {
    const { response } = this.sending;
    const [ok, done] = response.tryEnd(bytes, size);
    this.sending.isComplete = done;
    this.#isFull = !ok && !done;
    return this.#isFull ? response.getWriteOffset() : position + bytes.length;
  }

  /** Resolves when the socket accepts bytes or the client has disconnected. A client that reads nothing is disconnected. */
  async wait(): Promise<void> {
    if (!this.#isFull || this.sending.aborted) return;
    const wait = this.sending.timeouts.forReader(this.sending.response);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    wait.end();
  }

  #notify(): void {
    this.#isFull = false;
    this.#wake?.();
    this.#wake = undefined;
  }
}
