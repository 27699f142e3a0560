/**
 * One request and its response on uWebSockets.js: what the edge reads of the one, and the only ways to
 * write the other. A response may be touched only until it ends or the client goes; everything here
 * checks that, so that nobody else has to.
 */

import type { HttpResponse } from "uWebSockets.js";
import { randomBytes } from "node:crypto";
import type { Action } from "../auth/gate.js";
import type { Identity } from "../auth/identity.js";
import type { LimitName } from "../domain/errors.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { noSpans, type Spans } from "../lib/spans.js";
import { ClientGone, type RequestBody } from "./body.js";
import type { Front } from "./forwarded.js";
import type { Peer } from "./peer.js";
import type { SlowClientTimeouts } from "./slow-client-timeouts.js";
import type { Trace } from "./trace.js";

export type Headers = readonly (readonly [name: string, value: string])[];

const reasons: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "No Content",
  206: "Partial Content",
  304: "Not Modified",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  412: "Precondition Failed",
  413: "Content Too Large",
  414: "URI Too Long",
  416: "Range Not Satisfiable",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
  507: "Insufficient Storage",
};

/** Of this process; with a number behind it, no other request of any server has the same. */
const requestIdStart = randomBytes(9).toString("base64url");
let requests = 0;

function newRequestId(): string {
  return `${requestIdStart}-${requests++}`;
}

/** A request as it came. */
export interface Incoming {
  /** In capitals. */
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** Those that the route has asked for; `""` for one that is absent. */
  readonly headers: Readonly<Record<string, string>>;
  /** `Authorization`: beside the others, so that nobody logs it with them. */
  readonly authorization: string;
  readonly host: string;
  /** `User-Agent`. */
  readonly agent: string;
  /** `X-Request-ID`, where whoever stands before this server has given one that can be written down. */
  readonly requestId: string;
  readonly peer: Peer;
  /** What the request itself says of proxies; nobody vouches for it. */
  readonly front: Front;
  /** The row of the route table; absent where the path is not one of the API. */
  readonly route: { readonly path: string; readonly action: Action | "public" } | undefined;
  /** Present on routes that take a body. */
  readonly body: RequestBody | undefined;
  /** Whether it brings a body and is the last of its connection. */
  readonly closes: boolean;
}

/** What all answers of the server have. */
export interface Answers {
  readonly headers: Headers;
  /** `https://host` if a `Location` is to have it, else nothing. */
  readonly locationOrigin: (incoming: Incoming) => string;
}

export class Exchange {
  /** Whether the client has gone; nothing can be sent any more. */
  aborted = false;
  /** Of the response, 0 as long as its head has not been written. */
  status = 0;
  /** Bytes of the response's body that have been handed to the socket. */
  sent = 0;
  /** The repository that the request is about, once the path has been parsed. */
  name: RepositoryName | undefined;
  /** The caller, once that is known. */
  identity: Identity | undefined;
  /** Absent where nobody collects traces, or none of this request is wanted. */
  trace: Trace | undefined;
  /** When the request's head had come, by `performance.now()`, as the following. */
  readonly startedAt = performance.now();
  /** When its caller was known; 0 where nobody had to wait for that. */
  admittedAt = 0;
  /** When the first bytes of the response had been handed to the socket; 0 where that was all at once. */
  answeredAt = 0;
  /** When it was over: its answer done, or its client gone; 0 until then. */
  endedAt = 0;
  /** Whether the connection ends with the response. */
  isLast = false;
  /** Whether the rest of the request's body is not read any more, so that the connection is of no further use. */
  #isCut = false;
  /** What there was too much of, where it was refused for that. */
  limit: LimitName | undefined;
  readonly #onAbort: (() => void)[] = [];
  #id: string | undefined;

  constructor(
    readonly response: HttpResponse,
    readonly incoming: Incoming,
    readonly timeouts: SlowClientTimeouts,
    readonly answers: Answers,
  ) {}

  /** By which the request is found again in logs, here and elsewhere. */
  get id(): string {
    this.#id ??= this.incoming.requestId || newRequestId();
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

  /** Where what the request's time goes into is told. */
  get spans(): Spans {
    return this.trace?.spans ?? noSpans;
  }

  get body(): RequestBody | undefined {
    return this.incoming.body;
  }

  /** Whether the head of the response has been written. */
  get responded(): boolean {
    return this.status !== 0;
  }

  get isHead(): boolean {
    return this.method === "HEAD";
  }

  header(name: string): string {
    return this.incoming.headers[name] ?? "";
  }

  /** Of the body, by `Content-Length`; `undefined` where it comes in chunks, or there is none. */
  get announcedLength(): number | undefined {
    const length = this.header("content-length");
    return length === "" ? undefined : Number(length);
  }

  /** A signal that aborts with `ClientGone` when the client has gone: for work that takes long. */
  untilGone(): AbortSignal {
    const gone = new AbortController();
    this.onAbort(() => gone.abort(new ClientGone()));
    return gone.signal;
  }

  /** To be called once, by the wrapper that has attached the handler. */
  abort(): void {
    this.aborted = true;
    for (const handler of this.#onAbort) handler();
  }

  onAbort(handler: () => void): void {
    if (this.aborted) handler();
    else this.#onAbort.push(handler);
  }

  location(path: string): readonly ["Location", string] {
    return ["Location", `${this.answers.locationOrigin(this.incoming)}${path}`];
  }

  /** Sends a whole response. For HEAD the length of `body` is told and its bytes are kept. */
  send(status: number, headers: Headers, body: string | Uint8Array = ""): void {
    const hasBody = status !== 204 && status !== 304;
    if (this.isHead && hasBody) {
      this.sendLength(status, headers, typeof body === "string" ? Buffer.byteLength(body) : body.length);
    } else if (!this.aborted && !this.responded) {
      this.response.cork(() => {
        this.writeHead(status, headers, hasBody);
        if (hasBody) this.#end(body);
        else this.response.endWithoutBody();
      });
    }
  }

  #end(body: string | Uint8Array): void {
    this.sent = body.length;
    // Closed while the client still sends, the connection would lose the answer: uWebSockets.js closes it ten seconds later.
    this.response.end(body, this.isLast && !this.#isCut);
  }

  /** Sends a whole response and ends the connection: nothing behind this request is listened to. */
  sendAndClose(status: number, headers: Headers, body: string): void {
    if (this.aborted || this.responded) return;
    this.isLast = true;
    this.response.cork(() => {
      this.writeHead(status, headers, true);
      this.#end(body);
    });
  }

  /**
   * Sends the answer to a HEAD for something of `length` bytes. The length goes as a header of ours:
   * with `endWithoutBody(length)` the response never counts as ended, and the connection breaks when
   * the next request comes (seen with uWebSockets.js 20.43).
   */
  sendLength(status: number, headers: Headers, length: number): void {
    if (this.aborted || this.responded) return;
    this.response.cork(() => {
      this.writeHead(status, headers);
      this.response.writeHeader("Content-Length", String(length));
      this.response.endWithoutBody();
    });
  }

  /**
   * Writes status line and headers. To be called corked. What is left of the request's body is not wanted. `closesItself`:
   * uWebSockets.js is told with the response's end that it is the last one, and tells the client.
   */
  writeHead(status: number, headers: Headers, closesItself = false): void {
    this.status = status;
    this.#isCut = this.body?.leave() === true;
    const { response } = this;
    response.writeStatus(`${status} ${reasons[status] ?? ""}`);
    if (this.#isCut || (this.isLast && !closesItself)) response.writeHeader("Connection", "close");
    for (const [name, value] of this.answers.headers) response.writeHeader(name, value);
    for (const [name, value] of headers) response.writeHeader(name, value);
  }
}
