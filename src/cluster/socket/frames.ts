/**
 * Frames over a Unix socket: the texts of all messages of one turn of the event loop, after their length in four bytes. So
 * a burst costs one write.
 */
import type { Duplex } from "node:stream";
import type { SharedClock } from "../../lib/shared-clock.js";

const lengthBytes = 4;

/** The clock of a process, which each frame carries. Without one, frames carry none. */
export class Clocks {
  clock: SharedClock | undefined;
}

/** Metrics with many repositories are the largest message. */
const frameBytesMax = 64 * 1024 * 1024;

/** Unread bytes for the other process. A process that lets more of them wait hangs. */
const unreadBytesMax = 128 * 1024 * 1024;

export class Frames {
  readonly #messages: string[] = [];
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  /** Bytes that the next frame needs, as far as they are known. Pieces are joined once they are there, not with each piece. */
  #wanted = lengthBytes;
  #isFlushing = false;
  isClosed = false;
  /** Number of messages sent. */
  sent = 0;

  constructor(
    readonly stream: Duplex,
    readonly clocks: Clocks,
    readonly onFrame: (text: string) => void,
    onClosed: () => void,
  ) {
    stream.on("data", (piece: Buffer) => this.#receive(piece));
    stream.on("error", () => {});
    stream.once("close", () => {
      this.isClosed = true;
      onClosed();
    });
  }

  /** Sends a message, as JSON, at the end of this turn. Drops it if the socket is closed. */
  send(message: string): void {
    if (this.isClosed) return;
    this.sent++;
    this.#messages.push(message);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => this.flush());
  }

  flush(): void {
    this.#isFlushing = false;
    if (this.isClosed || this.#messages.length === 0) return;
    const clock = this.clocks.clock?.read() ?? [];
    const text = `{"clock":[${clock.join()}],"messages":[${this.#messages.join()}]}`;
    this.#messages.length = 0;
    const bytes = Buffer.allocUnsafe(lengthBytes + Buffer.byteLength(text));
    bytes.writeUInt32LE(bytes.length - lengthBytes);
    bytes.write(text, lengthBytes);
    this.stream.write(bytes);
    if (this.stream.writableLength > unreadBytesMax) this.close();
  }

  #receive(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes < this.#wanted) return;
    let bytes = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces);
    this.#wanted = lengthBytes;
    while (bytes.length >= lengthBytes) {
      const length = bytes.readUInt32LE();
      if (length > frameBytesMax) {
        this.close();
        return;
      }
      if (bytes.length < lengthBytes + length) {
        this.#wanted = lengthBytes + length;
        break;
      }
      this.onFrame(bytes.toString("utf8", lengthBytes, lengthBytes + length));
      bytes = bytes.subarray(lengthBytes + length);
    }
    this.#pieces.length = 0;
    if (bytes.length > 0) this.#pieces.push(bytes);
    this.#bytes = bytes.length;
  }

  close(): void {
    this.stream.destroy();
  }
}
