/** Sends a source of bytes as fast as the client reads them, and reads the next piece while one is being sent. */
import type { Exchange, Headers } from "./exchange.js";
import type { ByteSource } from "./source.js";

/** Sends all of `source`. Resolves after the last byte is handed to the socket, or when the client has disconnected. */
export async function sendSource(
  exchange: Exchange,
  status: number,
  headers: Headers,
  source: ByteSource,
): Promise<void> {
  if (exchange.aborted) return;
  if (source.bytes !== undefined) exchange.send(status, headers, source.bytes);
  else if (source.size === 0) exchange.send(status, headers);
  else await new Download(exchange, status, headers, source).run();
}

class Download {
  #writable = true;
  #wake: (() => void) | undefined;

  constructor(
    readonly exchange: Exchange,
    readonly status: number,
    readonly headers: Headers,
    readonly source: ByteSource,
  ) {}

  async run(): Promise<void> {
    const { exchange, source } = this;
    // Registered once for the whole response: a handler registered while another runs would be lost.
    exchange.response.onWritable(() => {
      this.#notify();
      return true;
    });
    exchange.onAbort(() => this.#notify());
    for (let position = 0; position < source.size; ) {
      const found = source.at(position);
      const piece = found instanceof Promise ? await found : found;
      try {
        if (exchange.aborted) return;
        source.readAhead(position + piece.bytes.length);
        position = this.#send(piece.bytes, position);
      } finally {
        piece.release();
      }
      if (position < source.size) await this.#untilWritable();
      if (exchange.aborted) return;
    }
  }

  /** Hands the bytes to the socket and returns the position up to which the socket accepted them. */
  #send(bytes: Uint8Array, position: number): number {
    const { exchange, source } = this;
    let reached = position;
    this.#writable = true;
    exchange.response.cork(() => {
      if (!exchange.responded) {
        exchange.writeHead(this.status, this.headers);
        exchange.answeredAt = performance.now();
      }
      const [ok, done] = exchange.response.tryEnd(bytes, source.size);
      this.#writable = ok || done;
      reached = this.#writable ? position + bytes.length : exchange.response.getWriteOffset();
      exchange.sent = reached;
    });
    return reached;
  }

  async #untilWritable(): Promise<void> {
    if (this.#writable || this.exchange.aborted) return;
    const wait = this.exchange.timeouts.forReader(this.exchange.response);
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    wait.end();
  }

  #notify(): void {
    this.#writable = true;
    this.#wake?.();
    this.#wake = undefined;
  }
}
