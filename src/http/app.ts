/**
 * The uWebSockets.js adapter: one wrapper that makes every handler safe. A handler that throws, rejects,
 * or answers nothing must never take the process down or leave a client waiting, and a client that goes
 * away must never make us touch its response again.
 */
import "./uws-settings.js";
import uws, { type HttpRequest, type HttpResponse, type us_listen_socket } from "uWebSockets.js";
import { setTimeout } from "node:timers/promises";
import type { Gate } from "../auth/gate.js";
import { RegistryError } from "../domain/errors.js";
import { parseRepositoryName } from "../domain/repository-name.js";
import type { Services } from "../registry/services.js";
import { ClientGone, RequestBody } from "./body.js";
import type { HttpContext } from "./context.js";
import { renderError } from "./errors.js";
import { Exchange } from "./exchange.js";
import { defaultPatience, Patience, type PatienceOptions } from "./patience.js";
import { type Match, Router } from "./router.js";
import { routes } from "./routes.js";

export interface AppOptions {
  readonly services: Services;
  readonly gate: Gate;
  readonly patience?: Partial<PatienceOptions>;
  readonly onUnexpectedError: (error: unknown, method: string, path: string) => void;
}

export interface Listening {
  readonly host: string;
  readonly port: number;
  /** Stops accepting connections. */
  close(): void;
}

/** `LIBUS_LISTEN_EXCLUSIVE_PORT`, which the package's types declare as a const enum that has no value at run time. */
const exclusivePort = 1;

/** A longer path names nothing: a name has 255 characters, a digest 135. */
const urlCharactersMax = 4096;

export class App {
  readonly #router = new Router<HttpContext>(routes);
  readonly #context: HttpContext;
  readonly #app = uws.App();
  readonly #patience: Patience;
  /** Requests whose handlers are at work. */
  #active = 0;
  #onIdle: (() => void) | undefined;

  constructor(readonly options: AppOptions) {
    this.#context = { services: options.services };
    this.#patience = new Patience({ ...defaultPatience, ...options.patience });
    this.#app.any("/*", (response, request) => this.#serve(response, request));
  }

  /** Listens on `host` and `port`, 0 for a free one. Rejects where it can't. */
  listen(host: string, port: number): Promise<Listening> {
    return new Promise((resolve, reject) => {
      const listening = (socket: us_listen_socket | false) => {
        if (socket === false) {
          reject(new Error(`cannot listen on ${host}:${port}: the address is in use or not ours`));
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
      const match = this.#match(method, url);
      const route = match instanceof RegistryError || match.kind !== "found" ? undefined : match.route;
      const { headers, framing } = readHeaders(request, route?.headers ?? []);
      const body = route?.body === true ? new RequestBody(response, this.#patience) : undefined;
      exchange = new Exchange(response, method, url, request.getQuery(), headers, body, this.#patience);
      if (framing !== "clear") {
        this.#refuseFraming(exchange);
        return;
      }
      if (match instanceof RegistryError) throw match;
      if (match.kind === "found") {
        const done = this.#run(exchange, match.route, match.path);
        if (done instanceof Promise) this.#track(done, exchange, response);
      } else if (match.kind === "method-not-allowed") {
        this.#refuseMethod(exchange, match.allow);
      } else {
        throw new RegistryError("path-unknown", "no such endpoint in the distribution API", {
          path: url.slice(0, 256),
        });
      }
    } catch (error) {
      this.#fail(exchange, response, error);
    }
  }

  #match(method: string, url: string): Match<HttpContext> | RegistryError {
    if (url.length > urlCharactersMax) {
      return new RegistryError("uri-too-long", `a path has at most ${urlCharactersMax} characters`);
    }
    try {
      return this.#router.match(method, url);
    } catch (error) {
      if (error instanceof RegistryError) return error;
      throw error;
    }
  }

  /**
   * Answers later, since uWebSockets.js drops the connection where another request follows one that has
   * no answer yet: what is hidden in the body of this one is never taken for a request.
   */
  #refuseFraming(exchange: Exchange): void {
    const error = new RegistryError("request-invalid", "the length of the body is not said once and clearly");
    const { status, body } = renderError(error);
    setImmediate(() => exchange.sendAndClose(status, [jsonType], body));
  }

  #run(
    exchange: Exchange,
    route: (typeof routes)[number],
    path: { readonly name: string; readonly last: string },
  ): void | Promise<void> {
    const name = path.name === "" ? undefined : parseRepositoryName(path.name);
    const decision = this.options.gate({ action: route.action, name });
    if (decision instanceof Promise) {
      return decision.then(() =>
        exchange.aborted ? undefined : route.handle(this.#context, exchange, path),
      );
    }
    return route.handle(this.#context, exchange, path);
  }

  #track(done: Promise<void>, exchange: Exchange, response: HttpResponse): void {
    this.#active++;
    done
      .catch((error: unknown) => this.#fail(exchange, response, error))
      .finally(() => {
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
    const { status, body, unexpected } = renderError(error);
    if (unexpected) this.options.onUnexpectedError(error, exchange?.method ?? "", exchange?.path ?? "");
    if (exchange === undefined) {
      response.cork(() => response.writeStatus("500 Internal Server Error").end(body));
      return;
    }
    if (exchange.aborted) return;
    // Too late for an answer: only a connection that breaks tells the client that something is missing.
    if (exchange.responded) response.close();
    else exchange.send(status, errorHeaders(error), body);
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
    this.#patience.stop();
    this.#app.close();
  }
}

const jsonType = ["Content-Type", "application/json"] as const;

function errorHeaders(error: unknown): [string, string][] {
  const headers: [string, string][] = [[...jsonType]];
  if (error instanceof RegistryError && error.kind === "too-many-requests")
    headers.push(["Retry-After", "5"]);
  return headers;
}

/** What a request says of its body's length, as every other reader of it must understand it too. */
type Framing = "clear" | "unclear";

/** The headers that are wanted, one that comes several times as a list (RFC 9110, section 5.3). */
function readHeaders(
  request: HttpRequest,
  wanted: readonly string[],
): { headers: Record<string, string>; framing: Framing } {
  const headers: Record<string, string> = {};
  let length: string | undefined;
  let coding: string | undefined;
  let framing: Framing = "clear";
  request.forEach((name, value) => {
    if (name === "content-length") {
      // uWebSockets.js takes the first of two lengths, and an empty one for none; a proxy may differ.
      if (length !== undefined || value === "") framing = "unclear";
      length = value;
    } else if (name === "transfer-encoding") {
      if (coding !== undefined || value.toLowerCase() !== "chunked") framing = "unclear";
      coding = value;
    }
    if (wanted.includes(name)) {
      const before = headers[name];
      headers[name] = before === undefined ? value : `${before}, ${value}`;
    }
  });
  return { headers, framing };
}
