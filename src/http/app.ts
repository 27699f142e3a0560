/**
 * The uWebSockets.js adapter: one wrapper that makes every handler safe. A handler that throws, rejects or sends no response
 * must never crash the process or leave a client waiting. After a client disconnects, nothing may touch its response.
 */
import "./uws-settings.js";
import type { HttpRequest, HttpResponse, TemplatedApp } from "uWebSockets.js";
import type { Gate } from "../auth/gate.js";
import { RegistryError } from "../domain/errors.js";
import { endsWithin } from "../lib/ends-within.js";
import { KeyedTurns } from "../lib/keyed-turns.js";
import { TurnBudget } from "../lib/turn-budget.js";
import type { Services } from "../registry/services.js";
import type { UpstreamCache } from "../upstream/cache.js";
import { Admission } from "./admission.js";
import { RequestBody } from "./body.js";
import { BrowserGuard } from "./browser-guard.js";
import { ChunkBudget } from "./chunk-watch.js";
import type { ConnectionGuard } from "./connection-guard.js";
import type { Login, RegistryEventListener } from "./context.js";
import { jsonType, type OriginWarning } from "./error-headers.js";
import { renderError } from "./errors.js";
import { type Answers, Exchange, type Headers } from "./exchange.js";
import { Failures } from "./failures.js";
import type { TrustedProxies } from "./forwarded.js";
import { HeaderBlock } from "./header-block.js";
import type { RouteOf } from "./incoming.js";
import { KnownPeers } from "./known-peers.js";
import { type LimitOptions, Limits } from "./limits.js";
import { Listeners, type Listening, type SecureListening } from "./listeners.js";
import { MultipartMemory } from "./multipart.js";
import { originOf } from "./origin.js";
import { Outbox } from "./outbox.js";
import type { Page } from "./page-server.js";
import { directPeer, type Peer, type PeerLookup } from "./peer.js";
import { type HeadFault, readHead } from "./request-head.js";
import type { Match } from "./router.js";
import type { CertificateFiles } from "./secure-listener.js";
import { type SlowClientSettings, SlowClientTimeouts } from "./slow-client-timeouts.js";
import { Targets } from "./targets.js";
import { type Trace, traceHeaders } from "./trace.js";
import { uwsBuild } from "./uws-build.js";
import { isPagePath } from "./web/page-requests.js";
import type { Web } from "./web/web.js";

export interface AppOptions {
  readonly services: Services;
  readonly gate: Gate;
  readonly login?: Login | undefined;
  /** Absent if this registry caches no others. */
  readonly upstreams?: UpstreamCache | undefined;
  /** Absent if there is no web page. */
  readonly web?: Web | undefined;
  /** Renders `/metrics`. Absent if this port serves no metrics. */
  readonly metrics?: (() => Promise<Page>) | undefined;
  /** Called once for each request, after its response or after its client has disconnected. */
  readonly observers?: readonly Observer[];
  /** Absent if requests continue while the audit log cannot be written. */
  readonly auditGate?: AuditGate | undefined;
  /** Absent if traces are off. */
  readonly beginTrace?: BeginTrace | undefined;
  /** Larger header sections get 431. */
  readonly headerBytesMax?: number;
  /** The limit for chunked bodies. */
  readonly chunks?: ChunkBudget;
  readonly onEvent?: RegistryEventListener | undefined;
  /** Whether the client with this address may be redirected to the store. Absent if all may. */
  readonly redirects?: ((address: string) => boolean) | undefined;
  /** Headers added to every response, beside the API's own. */
  readonly headers?: Headers;
  /** The proxies whose forwarded headers are trusted. */
  readonly proxies?: TrustedProxies | undefined;
  /** `https://host` by which clients reach this server, if `Host` does not have it. */
  readonly publicOrigin?: string | undefined;
  readonly onOrigin?: OriginWarning | undefined;
  /** Whether `Location` is absolute, if the address by which the client reaches this server is known. */
  readonly absoluteLocations?: boolean;
  readonly timeouts: SlowClientSettings;
  readonly limits: LimitOptions;
  /** `false`: each response ends its connection. */
  readonly keepAlive?: boolean;
  /** Absent if the TLS thread limits the connections. */
  readonly connections?: ConnectionGuard | undefined;
  /** Identifies the peer of a connection; by default, the connection's own address. */
  readonly peerOf?: PeerLookup;
  readonly onUnexpectedError: (error: unknown, exchange: Exchange | undefined) => void;
}

export type Observer = (exchange: Exchange) => void;

/** Throws `audit-unwritable` if the audit line of a request on this route cannot be written. */
export type AuditGate = (route: RouteOf, method: string) => void;

/** Begins the trace of a request. Returns `undefined` if the request is not sampled. */
export type BeginTrace = (exchange: Exchange) => Trace | undefined;

/** A whole manifest. A client that sends more after an early response may miss that response. */
const heardOutBytesMax = 4 * 1024 * 1024;

/** Concurrent list requests of one client. Further ones wait, and read nothing if the client disconnects. */
const listingsAtOnce = 4;

/** A longer query cannot be valid: a push may name 100 tags of 128 characters. Parsing takes time in proportion to it. */
const queryCharactersMax = 16_384;

/** About 2 ms of work. Pipelined requests beyond it end their connection; others wait for the next turn. */
const requestsPerTurnMax = 256;

const headFaults: Readonly<Record<HeadFault | "body", string>> = {
  length: "ambiguous body length: send exactly one Content-Length, or Transfer-Encoding: chunked",
  host: "there must be one valid Host header (RFC 9112, section 3.2)",
  trailer: "trailers are not supported",
  body: "this endpoint accepts no chunked body",
};

function headersTooLarge(bytes: number, max: number): RegistryError {
  return new RegistryError(
    "headers-too-large",
    `the headers have ${bytes} bytes, but at most ${max} are allowed (setting limits.headerbytes)`,
  );
}

export class App {
  readonly #targets = new Targets();
  readonly #admission: Admission;
  readonly #failures: Failures;
  readonly #listeners = new Listeners((app, onUnrecognised) => this.#serveOn(app, onUnrecognised));
  readonly #timeouts: SlowClientTimeouts;
  readonly #peerOf: PeerLookup;
  readonly #answers: Answers;
  readonly #chunks: ChunkBudget;
  readonly #headerBytesMax: number;
  /** Limits the requests answered while uWebSockets.js processes a single read. */
  readonly #turn = new TurnBudget(requestsPerTurnMax, requestsPerTurnMax / 2);
  /** Requests whose handlers are running. */
  #active = 0;
  #onIdle: (() => void) | undefined;

  constructor(readonly options: AppOptions) {
    this.#headerBytesMax = options.headerBytesMax ?? Number.POSITIVE_INFINITY;
    this.#chunks = options.chunks ?? new ChunkBudget();
    this.#timeouts = new SlowClientTimeouts(options.timeouts);
    const { services, gate, login, upstreams, web, metrics, onEvent, redirects } = options;
    this.#admission = new Admission(
      {
        services,
        gate,
        login,
        upstreams,
        web,
        metrics,
        onEvent,
        redirects,
        multipart: new MultipartMemory(),
        listingTurns: new KeyedTurns(listingsAtOnce),
      },
      new Limits(options.limits),
      new BrowserGuard({
        headers: options.headers ?? [],
        publicOrigin: options.publicOrigin,
        hasLogins: login !== undefined,
      }),
    );
    this.#failures = new Failures(this.#admission.context, options);
    this.#peerOf = options.peerOf ?? directPeer;
    this.#answers = {
      headers: new HeaderBlock([
        ["Docker-Distribution-Api-Version", "registry/2.0"],
        ...(options.headers ?? []),
      ]),
      // A path is always correct. A guessed scheme could send a client, with its password, from HTTPS to HTTP.
      locationOrigin:
        options.absoluteLocations === true
          ? (incoming) => originOf(incoming, options.publicOrigin) ?? ""
          : () => "",
      outbox: new Outbox(),
    };
  }

  #serveOn(app: TemplatedApp, onUnrecognised?: () => void): KnownPeers | undefined {
    const { connections } = this.options;
    const known = uwsBuild().reportsPorts ? new KnownPeers(this.#peerOf, onUnrecognised) : undefined;
    const peerOf = known?.of ?? this.#peerOf;
    const onChange = (response: HttpResponse, change: number) => {
      known?.filter(response, change);
      connections?.filter(response, change, peerOf);
    };
    app.filter((response, change) => onChange(response, Number(change)));
    // uWebSockets.js compares these two with the request's method in less time than it takes to pass the method's text.
    app.get("/*", (response, request) => this.#onRequest(response, request, "GET", peerOf));
    app.head("/*", (response, request) => this.#onRequest(response, request, "HEAD", peerOf));
    app.any("/*", (response, request) =>
      this.#onRequest(response, request, request.getMethod().toUpperCase(), peerOf),
    );
    return known;
  }

  /**
   * Listens on `host` and `port` (0 for a free one). `shared` lets other processes of this user listen there, too: the kernel
   * gives each connection to one of them. Rejects if it cannot.
   */
  listen(host: string, port: number, shared = false): Promise<Listening> {
    return this.#listeners.listen(host, port, shared);
  }

  /** Listens for HTTPS, with TLS in this thread. Rejects if it cannot. */
  listenSecurely(
    host: string,
    port: number,
    files: CertificateFiles,
    shared = false,
  ): Promise<SecureListening> {
    return this.#listeners.listenSecurely(host, port, files, shared);
  }

  /** Listens on a Unix socket that only the server's user may open. Rejects if it cannot. */
  listenLocally(path: string): Promise<Pick<Listening, "close">> {
    return this.#listeners.listenLocally(path);
  }

  #onRequest(response: HttpResponse, request: HttpRequest, method: string, peerOf: PeerLookup): void {
    const exchange = this.#handle(response, request, method, peerOf);
    if (exchange === undefined) return;
    exchange.isCorked = false;
    // Most responses from memory are complete here and save the handler, which costs as much as finding a manifest.
    if (exchange.isComplete) return;
    response.onAborted(() => exchange.abort());
  }

  /**
   * Reads the request synchronously: uWebSockets.js invalidates it when this returns. Returns the exchange, unless the connection
   * was closed or got a response without one.
   */
  #handle(
    response: HttpResponse,
    request: HttpRequest,
    method: string,
    peerOf: PeerLookup,
  ): Exchange | undefined {
    const url = request.getUrl();
    let exchange: Exchange | undefined;
    try {
      const peer = peerOf(response);
      if (peer === undefined) {
        response.close();
        return undefined;
      }
      const { path, match } = this.#targets.of(method, url);
      const route = match instanceof RegistryError || match.kind !== "found" ? undefined : match.route;
      const wanted = route?.headers ?? [];
      const { beginTrace } = this.options;
      const head = readHead(request, beginTrace === undefined ? wanted : [...wanted, ...traceHeaders]);
      const { fault, isChunked, forwarded, bytes } = head;
      const seen = this.options.proxies?.seen(peer, head.host, forwarded) ?? { peer, host: head.host };
      const body = route?.body === true ? this.#bodyOf(response, seen.peer, isChunked) : undefined;
      const closes = body !== undefined && /\bclose\b/i.test(request.getHeader("connection"));
      // Undefined without a question mark, whatever the types say.
      const query = request.getQuery() || "";
      const incoming = {
        method,
        path,
        query,
        headers: head.headers,
        authorization: head.authorization,
        host: seen.host,
        agent: head.agent,
        requestId: head.requestId,
        peer: seen.peer,
        front: head.front,
        route,
        body,
        closes,
      };
      exchange = new Exchange(response, incoming, this.#timeouts, this.#answers);
      exchange.trace = beginTrace?.(exchange);
      if (query.length > queryCharactersMax) {
        const message = `a query has at most ${queryCharactersMax} characters`;
        this.#refuseHead(exchange, new RegistryError("uri-too-long", message));
        return exchange;
      }
      const refused = fault ?? (isChunked && route?.body !== true ? "body" : undefined);
      if (refused !== undefined) {
        this.#refuseHead(exchange, new RegistryError("request-invalid", headFaults[refused]));
        return exchange;
      }
      // uWebSockets.js counts only bytes that it buffers for a later read; a single read may hold twice the limit.
      if (bytes > this.#headerBytesMax) {
        this.#refuseHead(exchange, headersTooLarge(bytes, this.#headerBytesMax));
        return exchange;
      }
      exchange.isLast =
        this.options.keepAlive === false || (isChunked && (head.front !== "none" || seen.peer !== peer));
      if (!this.#turn.take() || isChunked) {
        this.#track(this.#answerLater(exchange, match), exchange, response);
        return exchange;
      }
      const done = this.#answer(exchange, match) ?? exchange.unsent;
      if (done instanceof Promise) {
        this.#track(done, exchange, response);
        return exchange;
      }
    } catch (error) {
      if (exchange !== undefined && (exchange.incoming.closes || this.#failures.isPage(exchange))) {
        this.#track(Promise.reject(error), exchange, response);
        return exchange;
      }
      void this.#failures.answer(exchange, response, error);
    }
    if (exchange !== undefined) this.#observe(exchange);
    return exchange;
  }

  /**
   * Answers in a later turn of the event loop, after uWebSockets.js has processed everything that it read together with the
   * request. Until then it drops the connection if another request (or something similar) follows. So a client cannot do
   * much in one turn by pipelining, and bytes hidden behind the chunks of a body are never carried out as a request.
   */
  async #answerLater(exchange: Exchange, match: Match | RegistryError): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (!exchange.aborted) await this.#answer(exchange, match);
  }

  /** Answers synchronously if nothing must be awaited. */
  #answer(exchange: Exchange, match: Match | RegistryError): void | Promise<void> {
    if (match instanceof RegistryError) throw match;
    if (match.kind === "found") {
      this.options.auditGate?.(match.route, exchange.method);
      return this.#admission.run(exchange, match.route, match.path);
    }
    if (match.kind === "options") {
      // Browsers send this preflight request, without credentials, before a page of another origin may read this server.
      exchange.send(200, [["Allow", match.allow]]);
      return;
    }
    if (match.kind === "method-not-allowed") {
      this.#failures.refuseMethod(exchange, match.allow);
      return;
    }
    const what = isPagePath(exchange.path) ? "page at this address" : "endpoint in the distribution API";
    throw new RegistryError("path-unknown", `no such ${what}`, {
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

  /**
   * Refuses in a later turn: if another request follows an unanswered one, uWebSockets.js drops the connection. So bytes
   * hidden in the body of this request are never taken for a request.
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
      .then(() => exchange.unsent)
      .catch(async (error: unknown) => {
        // uWebSockets.js closes such a connection after its response. Bytes that still arrive would make the client's
        // kernel discard the response: podman and skopeo, which connect for each request, would never see the error.
        if (exchange.incoming.closes) await exchange.body?.hearOut(heardOutBytesMax);
        await this.#failures.answer(exchange, response, error);
      })
      .finally(() => {
        this.#observe(exchange);
        this.#active--;
        if (this.#active === 0) this.#onIdle?.();
      });
  }

  /** Resolves when no request is running, or after `secondsMax`. The result tells whether all requests finished. */
  async drain(secondsMax: number): Promise<boolean> {
    if (this.#active === 0) return true;
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    return endsWithin(secondsMax * 1000, idle);
  }

  /** Ends all connections. */
  close(): void {
    this.#timeouts.stop();
    this.#listeners.close();
  }
}
