/** Sends a source of bytes as fast as the client reads them, and reads the next piece while one is being sent. */
import type { Exchange, Headers } from "./exchange.js";
import { largeBytes } from "./outbox.js";
import { SocketRoom } from "./socket-room.js";
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
  constructor(
    readonly exchange: Exchange,
    readonly status: number,
    readonly headers: Headers,
    readonly source: ByteSource,
  ) {}

  async run(): Promise<void> {
    const { exchange, source } = this;
    const room = new SocketRoom(exchange);
    for (let position = 0; position < source.size; ) {
      if (source.size - position >= largeBytes) await this.#untilTurn();
      if (exchange.aborted) return;
      const found = source.at(position);
      const piece = found instanceof Promise ? await found : found;
      try {
        if (exchange.aborted) return;
        source.readAhead(position + piece.bytes.length);
        position = this.#send(room, piece.bytes, position);
      } finally {
        piece.release();
      }
      if (position < source.size) await room.wait();
    }
  }

  /** Resolves when a piece may be written, or when the client has disconnected. */
  #untilTurn(): Promise<void> | undefined {
    const { exchange } = this;
    const turn = exchange.answers.outbox.untilPiece(exchange.client, () => exchange.untilGone());
    return turn?.catch((error: unknown) => {
      if (!exchange.aborted) throw error;
    });
  }

  /** Hands the bytes to the socket and returns the position up to which the socket accepted them. */
  #send(room: SocketRoom, bytes: Uint8Array, position: number): number {
    const { exchange, source } = this;
    exchange.cork(() => {
      if (!exchange.responded) {
        exchange.writeHead(this.status, this.headers);
        exchange.answeredAt = performance.now();
      }
      exchange.sent = room.write(bytes, position, source.size);
    });
    return exchange.sent;
  }
}
