// A client on a bare socket, for requests that no HTTP library would send: inconsistent or invalid ones, and disconnects.
// Every wait has a time limit, and its error has the bytes received until then.

import { connect, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { reset } from "./reset.js";

/** Responses take milliseconds; a silent connection is dropped after about ten seconds. */
const waitMillisecondsMax = 25_000;

export interface RawAnswer {
  readonly status: number;
  /** Status line and headers. */
  readonly head: string;
  readonly body: string;
}

export class RawConnection implements Disposable {
  /** Joined only when somebody looks: a test may receive many megabytes in small pieces. */
  #pieces: Buffer[] = [];
  #size = 0;
  /** Minimum size of the next response, once its head is here. */
  #answerSize = 0;
  #closed = false;
  #changed: () => void = () => {};

  private constructor(readonly socket: Socket) {
    socket.on("data", (chunk) => {
      this.#pieces.push(chunk);
      this.#size += chunk.length;
      this.#changed();
    });
    // A server closes its own end first; ours may stay open.
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.#closed = true;
        this.#changed();
      });
    }
    // A reset counts as a close; tests look for that.
    socket.on("error", () => {});
  }

  /** With `tls`, the test's bytes are sent through TLS; otherwise they are sent unchanged. */
  static open(url: string, tls?: ConnectionOptions): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const options = { host: hostname, port: Number(port), noDelay: true, allowHalfOpen: true };
    return new Promise((resolve, reject) => {
      const socket = tls === undefined ? connect(options) : connectTls({ ...options, ...tls });
      socket.once("error", reject);
      socket.once(tls === undefined ? "connect" : "secureConnect", () => {
        socket.removeListener("error", reject);
        resolve(new RawConnection(socket));
      });
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** All received bytes that were not consumed yet. */
  get received(): string {
    return this.#joined().toString("latin1");
  }

  /** Number of received bytes that were not consumed yet. */
  get size(): number {
    return this.#size;
  }

  #joined(): Buffer {
    const [only] = this.#pieces;
    const joined = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined;
  }

  /** Sends lines, each ended by CRLF, and then the body as it is. */
  send(lines: readonly string[], body: string | Uint8Array = ""): void {
    this.write(`${lines.join("\r\n")}\r\n\r\n`);
    if (body.length > 0) this.write(body);
  }

  write(bytes: string | Uint8Array): void {
    if (!this.#closed) this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  /** Resolves with the next response. `headOnly` is for one without a body, whatever its length says. */
  async answer(headOnly = false): Promise<RawAnswer> {
    this.#answerSize = 0;
    return this.until(() => this.#takeAnswer(headOnly), "an answer");
  }

  #takeAnswer(headOnly: boolean): RawAnswer | undefined {
    if (this.#size < this.#answerSize) return undefined;
    const received = this.#joined();
    const end = received.indexOf("\r\n\r\n");
    if (end === -1) return undefined;
    const head = received.toString("latin1", 0, end);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
    const length = headOnly ? 0 : Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    const whole = end + 4 + length;
    this.#answerSize = whole;
    if (received.length < whole) return undefined;
    const body = received.toString("latin1", end + 4, whole);
    this.#pieces = [received.subarray(whole)];
    this.#size -= whole;
    return { status, head, body };
  }

  /** Resolves when the server has closed the connection. */
  async ended(): Promise<void> {
    await this.until(() => (this.#closed ? true : undefined), "the end of the connection");
  }

  /** Resolves with the result of `look`, called again whenever bytes arrive or the connection ends. */
  async until<T>(look: () => T | undefined, what: string): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#closed)
        throw new Error(`the connection ended before ${what}; it received "${this.#start()}"`);
      await this.#change(what);
    }
  }

  #change(what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const alarm = setTimeout(
        () => reject(new Error(`waited in vain for ${what}; received "${this.#start()}"`)),
        waitMillisecondsMax,
      );
      this.#changed = () => {
        clearTimeout(alarm);
        this.#changed = () => {};
        resolve();
      };
    });
  }

  #start(): string {
    return this.received.slice(0, 500);
  }

  /** Disconnects at once with a reset: nothing more is sent or read. */
  vanish(): void {
    reset(this.socket);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
