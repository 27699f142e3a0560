/**
 * A response without an end: Server-Sent Events (HTML Living Standard, section 9.2). A client that reads too slowly gets no
 * event until it has read what was sent before, so that at most two events wait for it in memory.
 */
import type { Exchange, Headers } from "./exchange.js";
import type { Wait } from "./slow-client-timeouts.js";

const streamHeaders: Headers = [
  ["Content-Type", "text/event-stream"],
  ["Cache-Control", "no-store"],
  // nginx would collect events until its buffer is full.
  ["X-Accel-Buffering", "no"],
  ["X-Content-Type-Options", "nosniff"],
];

export class EventStream {
  /** Resolves when the stream has ended or its client has disconnected. */
  readonly ended: Promise<void>;
  #resolve: () => void = () => {};
  #isOpen = true;
  #isFull = false;
  /** Keeps uWebSockets.js from closing a connection without traffic. */
  #wait: Wait;

  /**
   * Begins the response. The client reconnects `retryMilliseconds` after the stream ends. `onRoom` is called when a client
   * that has read too slowly has read everything.
   */
  constructor(
    readonly exchange: Exchange,
    retryMilliseconds: number,
    readonly onRoom: () => void,
  ) {
    const { response, timeouts } = exchange;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#wait = timeouts.forWork(response);
    // uWebSockets.js cannot close the connection after a response in chunks, so the client is told to.
    exchange.isLast = true;
    exchange.onAbort(() => this.#leave());
    if (exchange.aborted) return;
    response.onWritable(() => {
      this.#drained();
      return true;
    });
    exchange.cork(() => {
      exchange.writeHead(200, streamHeaders);
      this.#write(`retry: ${retryMilliseconds}\n\n`);
    });
  }

  /** Whether events can be sent now. */
  get hasRoom(): boolean {
    return this.#isOpen && !this.#isFull;
  }

  /** Sends an event, unless there is no room. `data` is a value for JSON. */
  send(event: string, data: unknown): void {
    this.#sendText(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Sends a comment, so that proxies keep the connection and a vanished client is noticed. */
  beat(): void {
    this.#sendText(":\n\n");
  }

  end(): void {
    if (!this.#isOpen) return;
    const { response } = this.exchange;
    this.#leave();
    this.exchange.isComplete = true;
    // The end would wait behind what the client does not read.
    if (this.#isFull) response.close();
    else response.cork(() => response.end());
  }

  #sendText(text: string): void {
    if (this.hasRoom) this.exchange.response.cork(() => this.#write(text));
  }

  #write(text: string): void {
    const { exchange } = this;
    exchange.sent += Buffer.byteLength(text);
    if (exchange.response.write(text)) return;
    this.#isFull = true;
    this.#wait.end();
    this.#wait = exchange.timeouts.forReader(exchange.response);
  }

  #drained(): void {
    if (!this.#isOpen || !this.#isFull) return;
    this.#isFull = false;
    this.#wait.end();
    this.#wait = this.exchange.timeouts.forWork(this.exchange.response);
    this.onRoom();
  }

  #leave(): void {
    this.#isOpen = false;
    this.#wait.end();
    this.#resolve();
  }
}
