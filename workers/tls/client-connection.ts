/** A client's side of a connection, from the end of the handshake on: how it begins and how it is brought to its end. */
import type { TLSSocket } from "node:tls";

/** As uWebSockets.js lets a connection be silent before its first request. */
const firstLineMillisecondsMax = 10_000;

/** uWebSockets.js refuses a request whose first line comes in pieces, and a head that is longer than this. */
const firstLineBytesMax = 16 * 1024;

/** As `http/patience` has it for readers: what is left of an answer is in nobody's way. */
const readerMillisecondsMax = 180_000;

/** A client that has got everything says goodbye at once; one that does not is not waited for. */
const goodbyeMillisecondsMax = 5_000;

export class ClientConnection {
  /** Never rejects: a connection may break at any time. */
  readonly closed: Promise<void>;
  #hasSpoken = false;
  #isHurried = false;

  constructor(readonly socket: TLSSocket) {
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    // What went wrong shows in "close", which follows.
    socket.on("error", () => {});
  }

  /** The client's first bytes, up to the end of a line at least; `undefined` where it ends or is silent before that. */
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

  /** Ends the connection as soon as nothing is left to be sent. */
  hurry(): void {
    this.#isHurried = true;
    if (!this.#hasSpoken || this.socket.writableFinished) this.socket.destroy();
  }

  /** Sends what is left, then ends the connection. Nothing is read until all is sent: only taking keeps it open. */
  sayGoodbye(): void {
    const { socket } = this;
    if (socket.destroyed) return;
    socket.pause();
    socket.setTimeout(readerMillisecondsMax, () => socket.destroy());
    socket.end(() => {
      if (this.#isHurried) socket.destroy();
      // What a client still sends would else make its kernel drop the answer.
      socket.resume();
      const late = setTimeout(() => socket.destroy(), goodbyeMillisecondsMax);
      void this.closed.then(() => clearTimeout(late));
    });
  }
}
