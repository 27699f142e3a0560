/**
 * A keep-alive connection that sends a request and waits for its reply. It sends bodies with gathered writes of the caller's
 * buffers, so that the driver costs little on the same cores as the server.
 */
import { strict as assert } from "node:assert";
import { once } from "node:events";
import type { Socket } from "node:net";
import { kibibyte } from "../units.js";
import { dial, type Endpoint, readyEvent } from "./endpoint.js";
import { type Reply, ReplyReader } from "./reply.js";

export interface Body {
  readonly length: number;
  pieces(): Iterable<readonly Buffer[]>;
}

export type Framing = "content-length" | "chunked";

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body;
  readonly framing?: Framing;
}

/** Go's io.Copy, and so docker, writes a streamed body in pieces of this size. */
const chunkBytes = 32 * kibibyte;
const lineEnd = Buffer.from("\r\n");
const lastChunk = Buffer.from("0\r\n\r\n");

interface Waiting {
  readonly answersHead: boolean;
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/** Sends requests, one at a time. */
export interface Requester {
  request(method: string, path: string, options?: RequestOptions): Promise<Reply>;
}

export class Connection implements Requester, Disposable {
  readonly #socket: Socket;
  readonly #reader = new ReplyReader();
  #waiting: Waiting | undefined;
  #failure: Error | undefined;
  /** Wakes the sender when the socket drained, the reply came or the connection broke. */
  #wakeSender: (() => void) | undefined;

  private constructor(
    socket: Socket,
    private readonly always: Readonly<Record<string, string>>,
  ) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("drain", () => this.#wakeSender?.());
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the server closed the connection")));
  }

  /** `always` are headers for each request. */
  static async open(endpoint: Endpoint, always: Readonly<Record<string, string>> = {}): Promise<Connection> {
    const socket = dial(endpoint);
    await once(socket, readyEvent(endpoint));
    return new Connection(socket, always);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  async request(method: string, path: string, options: RequestOptions = {}): Promise<Reply> {
    assert(this.#waiting === undefined, "one request at a time");
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
    const reply = new Promise<Reply>((resolve, reject) => {
      this.#waiting = { answersHead: method === "HEAD", resolve, reject };
    });
    // The sender may still be waiting at a failure, which the caller awaiting the reply gets.
    reply.catch(() => {});
    await this.#send(method, path, options);
    try {
      return await reply;
    } catch (error) {
      throw new Error(`${method} ${path}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }

  async #send(method: string, path: string, { headers = {}, body, framing }: RequestOptions): Promise<void> {
    const lines = Object.entries({ ...this.always, ...headers }).map(
      ([name, value]) => `${name}: ${value}\r\n`,
    );
    const chunked = framing === "chunked";
    const length = chunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body?.length ?? 0}`;
    const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${this.#socket.remotePort}\r\n${lines.join("")}${length}\r\n\r\n`;
    this.#socket.cork();
    this.#socket.write(head, "latin1");
    for (const piece of body?.pieces() ?? []) {
      for (const part of piece) {
        this.#write(part, chunked);
      }
      this.#socket.uncork();
      await this.#drained();
      if (this.#waiting === undefined) {
        // A response before the end of the body: the rest would be parsed as the next request.
        this.#socket.destroy();
        return;
      }
      this.#socket.cork();
    }
    if (chunked) {
      this.#socket.write(lastChunk);
    }
    this.#socket.uncork();
  }

  #write(part: Buffer, chunked: boolean): void {
    if (!chunked) {
      this.#socket.write(part);
      return;
    }
    for (let offset = 0; offset < part.length; offset += chunkBytes) {
      const chunk = part.subarray(offset, offset + chunkBytes);
      this.#socket.write(`${chunk.length.toString(16)}\r\n`, "latin1");
      this.#socket.write(chunk);
      this.#socket.write(lineEnd);
    }
  }

  async #drained(): Promise<void> {
    if (this.#socket.writableNeedDrain && this.#waiting !== undefined) {
      await new Promise<void>((resolve) => {
        this.#wakeSender = resolve;
      });
      this.#wakeSender = undefined;
    }
  }

  #receive(chunk: Buffer): void {
    try {
      const reply = this.#reader.push(chunk, this.#waiting?.answersHead ?? false);
      if (reply !== undefined) {
        const waiting = this.#waiting;
        this.#waiting = undefined;
        waiting?.resolve(reply);
        this.#wakeSender?.();
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(this.#failure);
    this.#wakeSender?.();
    this.#socket.destroy();
  }
}
