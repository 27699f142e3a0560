/**
 * Pulls a body over TLS 1.3 without decrypting it. Decryption takes a client more CPU time than encryption takes the server,
 * and here they share the cores, so that every server would seem as fast as the client. The handshake and the head of the
 * response are decrypted; the rest is counted by the lengths of its records (RFC 8446, section 5.1).
 */
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { kibibyte } from "../units.js";
import { goCiphers } from "./endpoint.js";
import { parseHead, type ReplyHead } from "./reply.js";

/** A record begins with its type, version and length. */
const headerBytes = 5;
const lengthAt = 3;
/** The type of the content and the authentication tag are encrypted with it. */
const overheadBytes = 1 + 16;

/** Sockets of one thread take turns, as in drain.ts. */
const sharedBuffer = Buffer.allocUnsafeSlow(512 * kibibyte);
const noBytes = Buffer.alloc(0);

/** Counts the content of records in a stream, however it is divided. */
export class RecordCounter {
  contentBytes = 0;
  /** Bytes of the last record that have not arrived. */
  #missing = 0;
  /** The part of the next header that has arrived. */
  #header: Buffer = noBytes;

  /** Whether the stream ends with a record. */
  get isWhole(): boolean {
    return this.#missing === 0 && this.#header.length === 0;
  }

  push(received: Buffer): void {
    let at = 0;
    while (at < received.length) {
      if (this.#missing > 0) {
        const taken = Math.min(this.#missing, received.length - at);
        this.#missing -= taken;
        at += taken;
        continue;
      }
      const part = received.subarray(at, at + headerBytes - this.#header.length);
      this.#header = Buffer.concat([this.#header, part]);
      at += part.length;
      if (this.#header.length < headerBytes) return;
      this.#missing = this.#header.readUInt16BE(lengthAt);
      this.contentBytes += this.#missing - overheadBytes;
      this.#header = noBytes;
    }
  }
}

/** Reads the whole body at `path` and returns its length. `ca` is PEM. */
export async function drainRecords(port: number, ca: string, path: string): Promise<number> {
  const pull = new SealedPull(port, ca, path);
  try {
    return await pull.done;
  } finally {
    pull.close();
  }
}

class SealedPull {
  readonly done: Promise<number>;
  readonly #socket: Socket;
  /** Between the socket and the decryption. */
  readonly #tunnel: Duplex;
  readonly #counter = new RecordCounter();
  #head: ReplyHead | undefined;
  /** Bytes of the body that were decrypted with the head. */
  #decrypted = 0;
  /** Received, and neither decrypted nor counted. */
  #sealed: Buffer = noBytes;
  #isDecrypting = false;
  #resolve!: (length: number) => void;
  #reject!: (error: Error) => void;

  constructor(
    port: number,
    ca: string,
    readonly path: string,
  ) {
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const callback = (bytes: number): boolean => this.#receive(sharedBuffer.subarray(0, bytes));
    const socket = connect({ port, host: "127.0.0.1", onread: { buffer: sharedBuffer, callback } });
    this.#socket = socket;
    this.#tunnel = new Duplex({
      read: () => {},
      write: (bytes: Buffer, _encoding, done) => socket.write(bytes, done),
    });
    const secure = connectTls({
      socket: this.#tunnel,
      host: "127.0.0.1",
      ca,
      ciphers: goCiphers,
      minVersion: "TLSv1.3",
    });
    for (const stream of [socket, secure]) stream.on("error", this.#reject);
    socket.once("close", () => this.#fail("the connection was closed"));
    secure.on("data", (bytes: Buffer) => this.#open(bytes));
    secure.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(bytes: Buffer): boolean {
    if (this.#head !== undefined && this.#sealed.length === 0) {
      this.#count(bytes);
      return true;
    }
    this.#sealed = Buffer.concat([this.#sealed, bytes]);
    if (!this.#isDecrypting) void this.#decrypt().catch(this.#reject);
    return true;
  }

  /** Decrypts one record after another until one of them was the head, and counts those that follow. */
  async #decrypt(): Promise<void> {
    this.#isDecrypting = true;
    while (this.#head === undefined && this.#sealed.length >= headerBytes) {
      const end = headerBytes + this.#sealed.readUInt16BE(lengthAt);
      if (this.#sealed.length < end) break;
      this.#tunnel.push(this.#sealed.subarray(0, end));
      this.#sealed = this.#sealed.subarray(end);
      await nextTurn();
    }
    this.#isDecrypting = false;
    if (this.#head === undefined) return;
    const rest = this.#sealed;
    this.#sealed = noBytes;
    this.#count(rest);
  }

  /** Takes decrypted bytes of the response. */
  #open(bytes: Buffer): void {
    let body = bytes;
    if (this.#head === undefined) {
      // Every contender sends a reply's headers in one record.
      this.#head = parseHead(bytes);
      if (this.#head?.status !== 200 || this.#head.isChunked) {
        this.#fail(`${this.#head?.status ?? "half a head"}, or chunks`);
        return;
      }
      body = bytes.subarray(this.#head.headBytes);
    }
    this.#decrypted += body.length;
  }

  #count(bytes: Buffer): void {
    this.#counter.push(bytes);
    const length = this.#decrypted + this.#counter.contentBytes;
    const expected = this.#head?.contentLength ?? 0;
    if (length > expected) this.#fail(`${length} bytes instead of ${expected}`);
    else if (length === expected && this.#counter.isWhole) this.#resolve(length);
  }

  #fail(what: string): void {
    this.#reject(new Error(`GET ${this.path}: ${what}`));
  }
}
