/**
 * The uWebSockets.js adapter: one wrapper that makes every handler safe. A handler that throws, rejects,
 * or answers nothing must never take the process down or leave a client waiting, and a client that goes
 * away must never make us touch its response again.
 */
import "./uws-settings.js";
import uws, { type HttpRequest, type HttpResponse, type us_listen_socket } from "uWebSockets.js";
import { setTimeout } from "node:timers/promises";
import type { Action, Gate } from "../auth/gate.js";
import { RegistryError, TooManyRequests } from "../domain/errors.js";
import { KeyedTurns } from "../lib/keyed-turns.js";
import { TurnBudget } from "../lib/turn-budget.js";
import type { Services } from "../registry/services.js";
import { Admission } from "./admission.js";
import { ClientGone, RequestBody } from "./body.js";
import { ChunkBudget } from "./chunk-watch.js";
import type { ConnectionGuard } from "./connection-guard.js";
import type { Login, RegistryEventListener } from "./context.js";
import { ErrorHeaders, jsonType, type OriginWarning } from "./error-headers.js";
import { renderError } from "./errors.js";
import { type Answers, Exchange, type Headers } from "./exchange.js";
import type { TrustedProxies } from "./forwarded.js";
import { type LimitOptions, Limits } from "./limits.js";
import { MultipartMemory } from "./multipart.js";
import { originOf } from "./origin.js";
import type { Page } from "./page-server.js";
import { decodePath } from "./path.js";
import { directPeer, type Peer, type PeerLookup } from "./peer.js";
import { type HeadFault, readHead } from "./request-head.js";
import { type Match, Router } from "./router.js";
import { routes } from "./routes.js";
import { SlowClientTimeouts, type SlowClientTimeoutsOptions } from "./slow-client-timeouts.js";
import { type Trace, traceHeaders } from "./trace.js";
import { whyNotListening } from "./why-not-listening.js";

export interface AppOptions {
  readonly services: Services;
  readonly gate: Gate;
  readonly login?: Login | undefined;
  /** What `/metrics` answers, if anything. */
  readonly metrics?: (() => Promise<Page>) | undefined;
  /** Told of each request once, when its answer is done or its client gone. */
  readonly observers?: readonly Observer[];
  /** Absent if requests go on while the audit log cannot be written. */
  readonly auditGate?: AuditGate | undefined;
  /** Absent where nobody collects traces. */
  readonly beginTrace?: BeginTrace | undefined;
  /** Larger header sections get 431. */
  readonly headerBytesMax?: number;
  /** For the bodies that come in chunks. */
  readonly chunks?: ChunkBudget;
  readonly onEvent?: RegistryEventListener | undefined;
  /** Headers that every response has, beside the API's own. */
  readonly headers?: Headers;
  /** Whose word on the client counts. */
  readonly proxies?: TrustedProxies | undefined;
  /** `https://host` by which clients reach this server, where `Host` does not say. */
  readonly publicOrigin?: string | undefined;
  readonly onOrigin?: OriginWarning | undefined;
  /** Whether a `Location` begins with the address by which the client reaches this server, as far as that is known. */
  readonly absoluteLocations?: boolean;
  readonly timeouts: SlowClientTimeoutsOptions;
  readonly limits: LimitOptions;
  /** `false`: each response ends its connection. */
  readonly keepAlive?: boolean;
  /** Absent where connections come through a thread that limits them itself. */
  readonly connections?: ConnectionGuard | undefined;
  /** Who is at the other end; those whose own connection it is by default. */
  readonly peerOf?: PeerLookup;
  readonly onUnexpectedError: (error: unknown, exchange: Exchange | undefined) => void;
}

export type Observer = (exchange: Exchange) => void;

/** Throws `audit-unwritable` for a request that would leave a line which cannot be written. */
export type AuditGate = (action: Action | "public") => void;

/** Begins the trace of a request whose head has come; `undefined` where none is wanted of it. */
export type BeginTrace = (exchange: Exchange) => Trace | undefined;

export interface Listening {
  readonly host: string;
  readonly port: number;
  /** Stops accepting connections. */
  close(): void;
}

/** `LIBUS_LISTEN_EXCLUSIVE_PORT`, which the package's types declare as a const enum that has no value at run time. */
const exclusivePort = 1;

/** A whole manifest; a client that sends more than that for an answer it does not want may miss it. */
const heardOutBytesMax = 4 * 1024 * 1024;

/** Listings of one client that are at work at a time; more than that wait, and read nothing if their client leaves. */
const listingsAtOnce = 4;

/** A longer path names nothing: a name has 255 characters, a digest 135. */
const urlCharactersMax = 4096;

/** Some 2 ms of work. Pipelined requests beyond it end their connection, others are answered a moment later. */
const requestsPerTurnMax = 256;

const headFaults: Readonly<Record<HeadFault | "body", string>> = {
  length: "ambiguous body length: send exactly one Content-Length, or Transfer-Encoding: chunked",
  host: "there must be one valid Host header (RFC 9112, section 3.2)",
  trailer: "trailers are not supported",
  body: "this endpoint takes no body in chunks",
};

function headersTooLarge(bytes: number, max: number): RegistryError {
  return new RegistryError(
    "headers-too-large",
    `the headers have ${bytes} bytes, and ${max} are allowed (setting limits.headerbytes)`,
  );
}

export class App {
  readonly #router = new Router(routes);
  readonly #admission: Admission;
  readonly #errorHeaders: ErrorHeaders;
  readonly #app = uws.App();
  readonly #timeouts: SlowClientTimeouts;
  readonly #peerOf: PeerLookup;
  readonly #answers: Answers;
  readonly #chunks: ChunkBudget;
  readonly #headerBytesMax: number;
  /** Requests that are answered while uWebSockets.js still goes through what it has read. */
  readonly #turn = new TurnBudget(requestsPerTurnMax, requestsPerTurnMax / 2);
  /** Requests whose handlers are at work. */
  #active = 0;
  #onIdle: (() => void) | undefined;

  constructor(readonly options: AppOptions) {
    this.#headerBytesMax = options.headerBytesMax ?? Number.POSITIVE_INFINITY;
    this.#chunks = options.chunks ?? new ChunkBudget();
    this.#timeouts = new SlowClientTimeouts(options.timeouts);
    const { services, gate, login, metrics, onEvent } = options;
    this.#admission = new Admission(
      {
        services,
        gate,
        login,
        metrics,
        onEvent,
        multipart: new MultipartMemory(),
        listingTurns: new KeyedTurns(listingsAtOnce),
      },
      new Limits(options.limits),
    );
    this.#errorHeaders = new ErrorHeaders(login, options.publicOrigin, options.onOrigin);
    this.#peerOf = options.peerOf ?? directPeer;
    this.#answers = {
      headers: [["Docker-Distribution-Api-Version", "registry/2.0"], ...(options.headers ?? [])],
      // A path is always right; with a guessed scheme a client could be sent from HTTPS to HTTP, with its password.
      locationOrigin:
        options.absoluteLocations === true
          ? (incoming) => originOf(incoming, options.publicOrigin) ?? ""
          : () => "",
    };
    const { connections } = options;
    if (connections !== undefined)
      this.#app.filter((response, change) => connections.filter(response, Number(change)));
    this.#app.any("/*", (response, request) => this.#serve(response, request));
  }

  /** Listens on `host` and `port`, 0 for a free one. Rejects where it can't. */
  listen(host: string, port: number): Promise<Listening> {
    return new Promise((resolve, reject) => {
      const listening = (socket: us_listen_socket | false) => {
        if (socket === false) {
          void whyNotListening(host, port).then(reject);
          return;
        }
        const close = () => uws.us_listen_socket_close(socket);
        resolve({ host, port: uws.us_socket_local_port(socket), close });
      };
      // Without this option the kernel lets a second server share the port, each getting some of the connections.
      const listen = this.#app.listen as (...parameters: unknown[]) => unknown;
      listen.call(this.#app, host, port, exclusivePort, listening);
    });
  }

  /** Listens on a socket of this machine that only the server's own user may open. Rejects where it can't. */
  listenLocally(path: string): Promise<Pick<Listening, "close">> {
    return new Promise((resolve, reject) => {
      const listening = (socket: us_listen_socket | false) => {
        if (socket === false) reject(new Error(`cannot listen on ${path}`));
        else resolve({ close: () => uws.us_listen_socket_close(socket) });
      };
      // `listen` creates the socket; the umask keeps other users out from its first moment.
      const mask = process.umask(0o177);
      this.#app.listen_unix(listening, path);
      process.umask(mask);
    });
  }

  /** Synchronous up to the first await of the handler: the request is only valid until this returns. */
  #serve(response: HttpResponse, request: HttpRequest): void {
    const method = request.getMethod().toUpperCase();
    const url = request.getUrl();
    let exchange: Exchange | undefined;
    response.onAborted(() => {
      exchange?.body?.abort();
      exchange?.abort();
    });
    try {
      const peer = this.#peerOf(response);
      if (peer === undefined) {
        response.close();
        return;
      }
      const { path, match } = this.#target(method, url);
      const route = match instanceof RegistryError || match.kind !== "found" ? undefined : match.route;
      const wanted = route?.headers ?? [];
      const { beginTrace } = this.options;
      const { fault, isChunked, forwarded, host, bytes, ...headers } = readHead(
        request,
        beginTrace === undefined ? wanted : [...wanted, ...traceHeaders],
      );
      const seen = this.options.proxies?.seen(peer, host, forwarded) ?? { peer, host };
      const body = route?.body === true ? this.#bodyOf(response, seen.peer, isChunked) : undefined;
      const closes = body !== undefined && /\bclose\b/i.test(request.getHeader("connection"));
      const query = request.getQuery();
      const incoming = { method, path, query, ...headers, ...seen, route, body, closes };
      exchange = new Exchange(response, incoming, this.#timeouts, this.#answers);
      exchange.trace = beginTrace?.(exchange);
      const refused = fault ?? (isChunked && route?.body !== true ? "body" : undefined);
      if (refused !== undefined) {
        this.#refuseHead(exchange, new RegistryError("request-invalid", headFaults[refused]));
        return;
      }
      // uWebSockets.js counts only what it has to keep until the rest comes: twice the limit may come in one read.
      if (bytes > this.#headerBytesMax) {
        this.#refuseHead(exchange, headersTooLarge(bytes, this.#headerBytesMax));
        return;
      }
      exchange.isLast =
        this.options.keepAlive === false || (isChunked && (headers.front !== "none" || seen.peer !== peer));
      if (!this.#turn.take() || isChunked) {
        this.#track(this.#answerLater(exchange, match), exchange, response);
        return;
      }
      const done = this.#answer(exchange, match);
      if (done instanceof Promise) {
        this.#track(done, exchange, response);
        return;
      }
    } catch (error) {
      if (exchange?.incoming.closes === true) {
        this.#track(Promise.reject(error), exchange, response);
        return;
      }
      this.#fail(exchange, response, error);
    }
    if (exchange !== undefined) this.#observe(exchange);
  }

  /**
   * In another turn of the event loop, when all that was read together with the request has been looked at. Until then
   * uWebSockets.js drops the connection where another request follows, or what it takes for one: so nobody gets much done
   * in one turn by pipelining, and nothing that is hidden behind the chunks of a body is carried out.
   */
  async #answerLater(exchange: Exchange, match: Match | RegistryError): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (!exchange.aborted) await this.#answer(exchange, match);
  }

  /** Synchronous where nothing has to be waited for. */
  #answer(exchange: Exchange, match: Match | RegistryError): void | Promise<void> {
    if (match instanceof RegistryError) throw match;
    if (match.kind === "found") {
      this.options.auditGate?.(match.route.action);
      return this.#admission.run(exchange, match.route, match.path);
    }
    if (match.kind === "options") {
      // Browsers ask so before a page from elsewhere may read this server, and have no credentials then.
      exchange.send(200, [["Allow", match.allow]]);
      return;
    }
    if (match.kind === "method-not-allowed") {
      this.#refuseMethod(exchange, match.allow);
      return;
    }
    throw new RegistryError("path-unknown", "no such endpoint in the distribution API", {
      path: exchange.path.slice(0, 256),
    });
  }

  #bodyOf(response: HttpResponse, { address }: Peer, isChunked: boolean): RequestBody {
    const { overflow } = this.options.services;
    return new RequestBody(response, this.#timeouts, overflow, address, isChunked ? this.#chunks : undefined);
  }

  #observe(exchange: Exchange): void {
    exchange.endedAt = performance.now();
    for (const observer of this.options.observers ?? []) observer(exchange);
    exchange.trace?.end();
  }

  /** What the request is about: its path, decoded if that is possible, and the route or why there is none. */
  #target(method: string, url: string): { readonly path: string; readonly match: Match | RegistryError } {
    if (url.length > urlCharactersMax) {
      const error = new RegistryError("uri-too-long", `a path has at most ${urlCharactersMax} characters`);
      return { path: url, match: error };
    }
    try {
      const path = decodePath(url);
      return { path, match: this.#router.match(method, path) };
    } catch (error) {
      if (error instanceof RegistryError) return { path: url, match: error };
      throw error;
    }
  }

  /**
   * Answers later, since uWebSockets.js drops the connection where another request follows one that has
   * no answer yet: what is hidden in the body of this one is never taken for a request.
   */
  #refuseHead(exchange: Exchange, error: RegistryError): void {
    const { status, body } = renderError(error);
    setImmediate(() => {
      exchange.sendAndClose(status, [jsonType], body);
      this.#observe(exchange);
    });
  }

  #track(done: Promise<void>, exchange: Exchange, response: HttpResponse): void {
    this.#active++;
    done
      .catch(async (error: unknown) => {
        // uWebSockets.js closes such a connection with its answer. What still comes would make the client's kernel
        // throw that away: podman and skopeo, which connect for each request, would never learn why.
        if (exchange.incoming.closes) await exchange.body?.hearOut(heardOutBytesMax);
        this.#fail(exchange, response, error);
      })
      .finally(() => {
        this.#observe(exchange);
        this.#active--;
        if (this.#active === 0) this.#onIdle?.();
      });
  }

  #refuseMethod(exchange: Exchange, allow: string): void {
    const { status, body } = renderError(
      new RegistryError("method-not-allowed", `this endpoint takes ${allow}`),
    );
    exchange.send(status, [["Allow", allow], jsonType], body);
  }

  #fail(exchange: Exchange | undefined, response: HttpResponse, error: unknown): void {
    if (error instanceof ClientGone) return;
    const accesses = exchange && this.#errorHeaders.accesses(exchange, error);
    const { status, body, unexpected } = renderError(error, accesses);
    if (unexpected) this.options.onUnexpectedError(error, exchange);
    if (exchange === undefined) {
      response.cork(() => response.writeStatus("500 Internal Server Error").end(body));
      return;
    }
    if (error instanceof TooManyRequests) exchange.limit = error.limit;
    if (exchange.aborted) return;
    // Too late for an answer: only a connection that breaks tells the client that something is missing.
    if (exchange.responded) response.close();
    else exchange.send(status, this.#errorHeaders.of(exchange, error), body);
  }

  /** Resolves when no request is at work any more, or after `secondsMax`; whether all came to their end. */
  async drain(secondsMax: number): Promise<boolean> {
    if (this.#active === 0) return true;
    const idle = new Promise<true>((resolve) => {
      this.#onIdle = () => resolve(true);
    });
    const late = new AbortController();
    const limit = setTimeout(secondsMax * 1000, false, { signal: late.signal }).catch(() => false);
    return Promise.race([idle, limit]).finally(() => late.abort());
  }

  /** Ends all connections. */
  close(): void {
    this.#timeouts.stop();
    this.#app.close();
  }
}
