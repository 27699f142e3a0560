/** The client's side of a connection after the handshake: reads its start, and closes it in order. */
import type { TLSSocket } from "node:tls";

/** The same time that uWebSockets.js allows before the first request. */
const firstLineMillisecondsMax = 10_000;

/** uWebSockets.js refuses a request whose first line arrives in pieces, and headers longer than this. */
const firstLineBytesMax = 16 * 1024;

/** The same as for slow readers in `http/slow-client-timeouts`: the rest of a response delays nothing. */
const readerMillisecondsMax = 180_000;

/** A client that has received everything closes at once; do not wait for others. */
const goodbyeMillisecondsMax = 5_000;

export class ClientConnection {
  /** Never rejects: a connection may break at any time. */
  readonly closed: Promise<void>;
  #hasSpoken = false;
  #isHurried = false;

  constructor(readonly socket: TLSSocket) {
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    // "close" follows and reports the error.
    socket.on("error", () => {});
  }

  /**
   * Returns the client's first bytes, up to the end of a line at least, or `undefined` if it closes or stays silent before
   * that.
   */
  firstLine(): Promise<readonly Buffer[] | undefined> {
    const { socket } = this;
    return new Promise((resolve) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const silent = setTimeout(() => socket.destroy(), firstLineMillisecondsMax);
      const take = (chunk: Buffer): void => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (!chunk.includes("\n") && bytes < firstLineBytesMax) return;
        this.#hasSpoken = true;
        clearTimeout(silent);
        socket.off("data", take).pause();
        resolve(chunks);
      };
      socket.on("data", take);
      void this.closed.then(() => {
        clearTimeout(silent);
        resolve(undefined);
      });
    });
  }

  /** Closes the connection as soon as all pending bytes are sent. */
  hurry(): void {
    this.#isHurried = true;
    if (!this.#hasSpoken || this.socket.writableFinished) this.socket.destroy();
  }

  /**
   * Sends the pending bytes, then closes the connection. Reads nothing until all is sent: only a client that reads keeps it
   * open.
   */
  sayGoodbye(): void {
    const { socket } = this;
    if (socket.destroyed) return;
    socket.pause();
    socket.setTimeout(readerMillisecondsMax, () => socket.destroy());
    socket.end(() => {
      if (this.#isHurried) socket.destroy();
      // Bytes that a client still sends would otherwise make its kernel discard the response.
      socket.resume();
      const late = setTimeout(() => socket.destroy(), goodbyeMillisecondsMax);
      void this.closed.then(() => clearTimeout(late));
    });
  }
}
