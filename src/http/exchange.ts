/**
 * One request and its response on uWebSockets.js: what the edge reads of the one, and the only ways to
 * write the other. A response may be touched only until it ends or the client goes; everything here
 * checks that, so that nobody else has to.
 */
import type { HttpResponse } from "uWebSockets.js";
import type { RequestBody } from "./body.js";
import type { Patience } from "./patience.js";

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
  413: "Content Too Large",
  414: "URI Too Long",
  416: "Range Not Satisfiable",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
  507: "Insufficient Storage",
};

export class Exchange {
  /** Whether the client has gone; nothing can be sent any more. */
  aborted = false;
  /** Whether the head of the response has been written. */
  responded = false;
  readonly #onAbort: (() => void)[] = [];

  constructor(
    readonly response: HttpResponse,
    /** In capitals. */
    readonly method: string,
    readonly path: string,
    readonly query: string,
    /** Those that the route has asked for; `""` for one that is absent. */
    readonly headers: Readonly<Record<string, string>>,
    /** Present on routes that take a body. */
    readonly body: RequestBody | undefined,
    readonly patience: Patience,
  ) {}

  get isHead(): boolean {
    return this.method === "HEAD";
  }

  header(name: string): string {
    return this.headers[name] ?? "";
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

  /** Sends a whole response. For HEAD the length of `body` is told and its bytes are kept. */
  send(status: number, headers: Headers, body: string | Uint8Array = ""): void {
    const hasBody = status !== 204 && status !== 304;
    if (this.isHead && hasBody) {
      this.sendLength(status, headers, typeof body === "string" ? Buffer.byteLength(body) : body.length);
    } else if (!this.aborted && !this.responded) {
      this.response.cork(() => {
        this.writeHead(status, headers);
        if (hasBody) this.response.end(body);
        else this.response.endWithoutBody();
      });
    }
  }

  /** Sends a whole response and ends the connection: nothing behind this request is listened to. */
  sendAndClose(status: number, headers: Headers, body: string): void {
    if (this.aborted || this.responded) return;
    this.response.cork(() => {
      this.writeHead(status, headers);
      this.response.end(body, true);
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

  /** Writes status line and headers. To be called corked. What is left of the request's body is not wanted. */
  writeHead(status: number, headers: Headers): void {
    this.responded = true;
    this.body?.discard();
    const { response } = this;
    response.writeStatus(`${status} ${reasons[status] ?? ""}`);
    response.writeHeader("Docker-Distribution-Api-Version", "registry/2.0");
    for (const [name, value] of headers) response.writeHeader(name, value);
  }
}
