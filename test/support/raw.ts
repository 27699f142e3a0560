// A client on a bare socket, for what no HTTP library would send: lies, garbage, and going away. Every
// wait has a time limit, and what came until then is told.

import { connect, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";

/** Answers come in milliseconds; a connection that is silent is dropped after ten seconds or so. */
const waitMillisecondsMax = 25_000;

export interface RawAnswer {
  readonly status: number;
  /** Status line and headers. */
  readonly head: string;
  readonly body: string;
}

export class RawConnection implements Disposable {
  #received = Buffer.alloc(0);
  #closed = false;
  #changed: () => void = () => {};

  private constructor(readonly socket: Socket) {
    socket.on("data", (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#changed();
    });
    // Its end of the connection is what a server closes first; ours may stay open.
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.#closed = true;
        this.#changed();
      });
    }
    // A connection that the server resets is a closed one; the tests look for that.
    socket.on("error", () => {});
  }

  /** With `tls`, the bytes of the test go through TLS; without it, they are all that is sent. */
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

  /** Everything that came and was not taken yet. */
  get received(): string {
    return this.#received.toString("latin1");
  }

  /** Bytes that came and were not taken yet. */
  get size(): number {
    return this.#received.length;
  }

  /** Sends lines, each ended by CRLF, and then the body as it is. */
  send(lines: readonly string[], body: string | Uint8Array = ""): void {
    this.write(`${lines.join("\r\n")}\r\n\r\n`);
    if (body.length > 0) this.write(body);
  }

  write(bytes: string | Uint8Array): void {
    if (!this.#closed) this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  /** The next answer. `headOnly` for one without a body, whatever its length says. */
  async answer(headOnly = false): Promise<RawAnswer> {
    return this.until(() => this.#takeAnswer(headOnly), "an answer");
  }

  #takeAnswer(headOnly: boolean): RawAnswer | undefined {
    const end = this.#received.indexOf("\r\n\r\n");
    if (end === -1) return undefined;
    const head = this.#received.toString("latin1", 0, end);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
    const length = headOnly ? 0 : Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    const whole = end + 4 + length;
    if (this.#received.length < whole) return undefined;
    const body = this.#received.toString("latin1", end + 4, whole);
    this.#received = this.#received.subarray(whole);
    return { status, head, body };
  }

  /** Resolves when the server has closed the connection. */
  async ended(): Promise<void> {
    await this.until(() => (this.#closed ? true : undefined), "the end of the connection");
  }

  /** What `look` finds, tried again whenever bytes come or the connection ends. */
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

  /** Goes away at once, with a reset: nothing more is sent or read. */
  vanish(): void {
    this.socket.resetAndDestroy();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
