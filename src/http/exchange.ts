/**
 * One request and its response on uWebSockets.js: the parts of the request that handlers read, and the only ways to write
 * the response. A response may be touched only until it ends or the client disconnects. Every method here checks that, so
 * that callers need not.
 */

import type { HttpResponse } from "uWebSockets.js";
import { setMaxListeners } from "node:events";
import type { Identity } from "../auth/identity.js";
import { type LimitName, responseMemoryUsedUp } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { RobotName } from "../domain/robot.js";
import { networkOf } from "../lib/network.js";
import { randomId } from "../lib/random-ids.js";
import { noSpans, type Spans } from "../lib/spans.js";
import type { Mirrored } from "../upstream/mirrored.js";
import { ClientGone, type RequestBody } from "./body.js";
import { HeaderBlock } from "./header-block.js";
import type { Incoming } from "./incoming.js";
import { largeBytes, type Outbox } from "./outbox.js";
import { reasonOf } from "./reasons.js";
import type { SlowClientTimeouts } from "./slow-client-timeouts.js";
import { SocketRoom } from "./socket-room.js";
import type { Trace } from "./trace.js";

/** The body of a whole response, perhaps in parts. */
export type Body = string | Uint8Array | readonly Uint8Array[];

export type Headers = readonly (readonly [name: string, value: string])[];

/** Properties common to all responses of the server. */
export interface Answers {
  readonly headers: HeaderBlock;
  /** Returns `https://host` if `Location` must be absolute, otherwise an empty string. */
  readonly locationOrigin: (incoming: Incoming) => string;
  readonly outbox: Outbox;
}

/**
 * The largest body that uWebSockets.js may buffer, of the last response on a connection: only so can it close the connection
 * afterwards. After a larger one, the client is told to.
 */
const lastBytesMax = 16 * 1024;

export class Exchange {
  /** Whether the client has disconnected, so that nothing can be sent. */
  aborted = false;
  /** Status of the response; 0 until its headers are written. */
  status = 0;
  /** Bytes of the response's body that have been handed to the socket. */
  sent = 0;
  /** The repository that the request is about, once the path has been parsed. */
  name: RepositoryName | undefined;
  /** Its name in the request. It differs from `name` for a repository of an upstream registry that has no prefix there. */
  requestedName: RepositoryName | undefined;
  /** The robot that the request creates or revokes. */
  robot: RobotName | undefined;
  /** Present on a pull from a repository of an upstream registry: how the cache answers it. */
  mirrored: Mirrored | undefined;
  /** The caller, once authenticated. */
  identity: Identity | undefined;
  /** The cookies that the response sets, by name: sessions of the web page that begin, continue or end. */
  cookies: ReadonlyMap<string, string> | undefined;
  /** Absent if traces are off or this request is not sampled. */
  trace: Trace | undefined;
  /** When the request's headers had arrived, by `performance.now()` like the following times. */
  readonly startedAt = performance.now();
  /** When the caller was authenticated; 0 if that needed no waiting. */
  admittedAt = 0;
  /** When the first bytes of the response were handed to the socket; 0 if the response was sent at once. */
  answeredAt = 0;
  /** When the response was complete or the client had disconnected; 0 until then. */
  endedAt = 0;
  /** Whether the response closes the connection. */
  isLast = false;
  /** Whether uWebSockets.js is still calling for this request: until then, it corks by itself. */
  isCorked = true;
  /** Whether the response is complete, so that `response` must not be touched. */
  isComplete = false;
  /** Whether the rest of the request's body stays unread, so that the connection cannot be reused. */
  #leavesBodyUnread = false;
  /** The limit that refused the request, if any. */
  limit: LimitName | undefined;
  /** Present while the response is being sent; settles when it is sent or the client has disconnected. */
  unsent: Promise<void> | undefined;
  readonly #onAbort: (() => void)[] = [];
  #gone: AbortSignal | undefined;
  #id: string | undefined;

  constructor(
    readonly response: HttpResponse,
    readonly incoming: Incoming,
    readonly timeouts: SlowClientTimeouts,
    readonly answers: Answers,
  ) {}

  /** Identifies the request in logs, here and elsewhere. Error pages show it, so it does not count requests. */
  get id(): string {
    this.#id ??= this.incoming.requestId || randomId();
    return this.#id;
  }

  get method(): string {
    return this.incoming.method;
  }

  get path(): string {
    return this.incoming.path;
  }

  get query(): string {
    return this.incoming.query;
  }

  /** Records the spans of the request. */
  get spans(): Spans {
    return this.trace?.spans ?? noSpans;
  }

  get body(): RequestBody | undefined {
    return this.incoming.body;
  }

  /** Whether the headers of the response have been written. */
  get responded(): boolean {
    return this.status !== 0;
  }

  /** The client that limits count the request for: the login or, without one, the network of its address. */
  get client(): string {
    const { identity, incoming } = this;
    return identity === undefined || identity.kind === "anonymous"
      ? networkOf(incoming.peer.address)
      : identity.subject;
  }

  get isHead(): boolean {
    return this.method === "HEAD";
  }

  header(name: string): string {
    return this.incoming.headers[name] ?? "";
  }

  /** Length of the body by `Content-Length`; `undefined` for a chunked body or none. */
  get announcedLength(): number | undefined {
    const length = this.header("content-length");
    return length === "" ? undefined : Number(length);
  }

  /** Returns a signal that aborts with `ClientGone` when the client disconnects, for long work. */
  untilGone(): AbortSignal {
    if (this.#gone !== undefined) return this.#gone;
    const gone = new AbortController();
    // Each part of a page waits with it.
    setMaxListeners(0, gone.signal);
    this.#gone = gone.signal;
    this.onAbort(() => gone.abort(new ClientGone()));
    return gone.signal;
  }

  /** Called once by the wrapper when the client has disconnected. */
  abort(): void {
    this.body?.abort();
    this.aborted = true;
    for (const handler of this.#onAbort) handler();
  }

  /**
   * Resolves when the request may use the event loop for some milliseconds. The caller must start at once and await nothing
   * meanwhile. Clients take turns. Rejects with `ClientGone` if the client disconnects first.
   */
  async untilTurn(): Promise<void> {
    await this.answers.outbox.slices.next(this.client, this.untilGone());
  }

  /** Breaks the connection. */
  close(): void {
    this.isComplete = true;
    this.response.close();
    // While uWebSockets.js is still calling for the request, no handler of it is registered.
    if (!this.aborted) this.abort();
  }

  onAbort(handler: () => void): void {
    if (this.aborted) handler();
    else this.#onAbort.push(handler);
  }

  location(path: string): readonly ["Location", string] {
    return ["Location", `${this.answers.locationOrigin(this.incoming)}${path}`];
  }

  /**
   * Sends a whole response. For HEAD, sends only the length of `body`. A large body, and the rest of a body that the socket
   * does not accept at once, is sent later: `unsent` then settles at its end.
   */
  send(status: number, headers: Headers | HeaderBlock, body: Body = ""): void {
    const hasBody = status !== 204 && status !== 304;
    const size = sizeOf(body);
    if (this.isHead && hasBody) {
      this.sendLength(status, headers, size);
    } else if (this.aborted || this.responded) {
      return;
    } else if (!hasBody || size === 0) {
      this.#sendHead(status, headers, hasBody);
    } else if (this.isLast && size <= lastBytesMax) {
      this.#sendLast(status, headers, body, size);
    } else if (size > largeBytes) {
      this.#defer(this.#sendLarge(status, headers, partsOf(body), size));
    } else {
      const parts = isAscii(body, size) ? [body] : partsOf(body);
      const position = this.#begin(status, headers, parts, size);
      if (position !== undefined) this.#defer(this.#sendHeld(partsOf(body), position, size));
    }
  }

  #defer(sending: Promise<void>): void {
    this.unsent = sending;
    // The error may come before the handler has ended. Whoever then awaits `unsent` handles it.
    sending.catch(() => {});
  }

  #sendHead(status: number, headers: Headers | HeaderBlock, hasBody: boolean): void {
    this.cork(() => {
      this.writeHead(status, headers, hasBody);
      if (hasBody) this.response.end("", this.#closes);
      else this.response.endWithoutBody();
    });
    this.isComplete = true;
  }

  /** Runs `write`, whose writes then reach the socket together. */
  cork(write: () => void): void {
    if (this.isCorked) write();
    else this.response.cork(write);
  }

  /** Closing while the client still sends would lose the response, so uWebSockets.js closes it ten seconds later. */
  get #closes(): boolean {
    return this.isLast && !this.#leavesBodyUnread;
  }

  #sendLast(status: number, headers: Headers | HeaderBlock, body: Body, size: number): void {
    const whole = isAscii(body, size) ? body : Buffer.concat(partsOf(body));
    this.cork(() => {
      this.writeHead(status, headers, true);
      this.sent = size;
      this.response.end(whole, this.#closes);
    });
    this.isComplete = true;
  }

  /** Writes headers and body. Returns the number of bytes that the socket has accepted, `undefined` for all. */
  #begin(
    status: number,
    headers: Headers | HeaderBlock,
    parts: readonly (string | Uint8Array)[],
    size: number,
  ): number | undefined {
    let position: number | undefined;
    this.cork(() => {
      this.writeHead(status, headers);
      for (const part of parts) {
        const [ok, done] = this.response.tryEnd(part, size);
        if (ok || done) continue;
        position = this.response.getWriteOffset();
        return;
      }
    });
    this.isComplete = position === undefined;
    this.sent = position ?? size;
    return position;
  }

  /** Rejects with `too-many-requests` if too many large responses wait for their clients. */
  async #sendLarge(
    status: number,
    headers: Headers | HeaderBlock,
    parts: readonly Uint8Array[],
    size: number,
  ): Promise<void> {
    const { outbox } = this.answers;
    const release = outbox.hold(this.client, parts);
    if (release === undefined) throw responseMemoryUsedUp();
    try {
      await this.untilTurn();
      const position = this.#begin(status, headers, parts, size);
      if (position !== undefined) await this.#sendRest(parts, position, size);
    } finally {
      release();
    }
  }

  /** Sends the rest of a small response that the socket did not accept. */
  async #sendHeld(parts: readonly Uint8Array[], position: number, size: number): Promise<void> {
    const release = this.answers.outbox.hold(this.client, parts);
    // Too late for a 429: a part of this response is sent. Only a broken connection shows the client that bytes are missing.
    if (release === undefined) return this.close();
    try {
      await this.#sendRest(parts, position, size);
    } finally {
      release();
    }
  }

  async #sendRest(parts: readonly Uint8Array[], begun: number, size: number): Promise<void> {
    const room = new SocketRoom(this, "full");
    let start = 0;
    for (const part of parts) {
      const end = start + part.length;
      for (let position = Math.max(start, begun); position < end; this.sent = position) {
        await room.wait();
        if (this.aborted) return;
        this.response.cork(() => {
          position = room.write(part.subarray(position - start), position, size);
        });
      }
      start = end;
    }
  }

  /** Sends a whole response and closes the connection: nothing after this request is read. */
  sendAndClose(status: number, headers: Headers, body: string): void {
    if (this.aborted || this.responded) return;
    this.isLast = true;
    this.#sendLast(status, headers, body, sizeOf(body));
  }

  /**
   * Sends the response to a HEAD for content of `length` bytes. It sets the length as a header itself: with
   * `endWithoutBody(length)` the response never counts as ended, and the connection breaks at the next request (seen with
   * uWebSockets.js 20.43).
   */
  sendLength(status: number, headers: Headers | HeaderBlock, length: number): void {
    if (this.aborted || this.responded) return;
    this.cork(() => {
      this.writeHead(status, headers);
      this.response.writeHeader("Content-Length", String(length));
      this.response.endWithoutBody();
    });
    this.isComplete = true;
  }

  /**
   * Writes status line and headers. Call it corked. Drops the rest of the request's body. With `closesItself`, the caller
   * tells uWebSockets.js at the end of the response to close the connection, and uWebSockets.js sends the header for it.
   */
  writeHead(status: number, headers: Headers | HeaderBlock, closesItself = false): void {
    this.status = status;
    this.#leavesBodyUnread = this.body?.leave() === true;
    const { response } = this;
    // uWebSockets.js writes 200 by itself.
    if (status !== 200) response.writeStatus(`${status} ${reasonOf(status)}`);
    if (this.#leavesBodyUnread || (this.isLast && !closesItself)) response.writeHeader("Connection", "close");
    const { headers: first } = this.answers;
    if (headers instanceof HeaderBlock) headers.writeAfter(first, response);
    else {
      first.write(response);
      for (const [name, value] of headers) response.writeHeader(name, value);
    }
    if (this.cookies !== undefined)
      for (const cookie of this.cookies.values()) response.writeHeader("Set-Cookie", cookie);
  }
}

/**
 * uWebSockets.js 20.61 writes a string without characters above U+00FF as Latin-1 instead of UTF-8. Only a string of ASCII is as
 * long as its `size` in UTF-8.
 */
function isAscii(body: Body, size: number): body is string {
  return typeof body === "string" && body.length === size;
}

function partsOf(body: Body): readonly Uint8Array[] {
  if (typeof body === "string") return [Buffer.from(body)];
  return body instanceof Uint8Array ? [body] : body;
}

function sizeOf(body: Body): number {
  if (typeof body === "string") return Buffer.byteLength(body);
  return body instanceof Uint8Array ? body.length : body.reduce((sum, { length }) => sum + length, 0);
}
