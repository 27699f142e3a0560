/**
 * Admits a request to its handler: refuses changes that a page of another site has sent, authenticates the caller, applies the
 * limits and asks the gate. No other code path reaches a handler that needs a permit.
 */
import { anonymous, type Identity } from "../auth/identity.js";
import { parseRepositoryName, type RepositoryName } from "../domain/repository-name.js";
import { assert } from "../lib/assert.js";
import type { BrowserGuard } from "./browser-guard.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";
import type { Limits } from "./limits.js";
import { namespaceOf } from "./query.js";
import type { PathTexts, Route } from "./router.js";
import { answerDisabledPage } from "./web/disabled-pages.js";

/** A route that needs the gate's permit. */
type PermittedRoute = Exclude<Route, { readonly action: "public" }>;

export class Admission {
  constructor(
    readonly context: HttpContext,
    readonly limits: Limits,
    readonly guard: BrowserGuard,
  ) {}

  /**
   * Answers the request, synchronously if nothing must be awaited. Throws or rejects with the error for the response.
   */
  run(exchange: Exchange, route: Route, path: PathTexts): void | Promise<void> {
    if (route.action === "public") return route.handle(this.context, exchange);
    if (route.page === true && this.context.web === undefined) return answerDisabledPage(exchange);
    if (path.name !== "") exchange.name = this.#nameOf(exchange, path);
    if (route.page !== true) this.guard.check(exchange);
    const identity = route.page === true ? this.#identifyVisitor(exchange) : this.#identify(exchange);
    if (!(identity instanceof Promise)) return this.#admit(exchange, route, identity, path);
    return identity.then((found) => {
      exchange.admittedAt = performance.now();
      return exchange.aborted ? undefined : this.#admit(exchange, route, found, path);
    });
  }

  /** Returns the name under which this registry stores the repository. Throws `name-invalid` or `name-unknown`. */
  #nameOf(exchange: Exchange, path: PathTexts): RepositoryName {
    path.repository ??= parseRepositoryName(path.name);
    const name = path.repository;
    exchange.requestedName = name;
    const { upstreams } = this.context;
    if (upstreams === undefined) return name;
    return upstreams.names.canonical(name, namespaceOf(exchange.query), exchange.incoming.host);
  }

  #identify({ incoming }: Exchange): Identity | Promise<Identity> {
    const { login } = this.context;
    if (login === undefined) return anonymous;
    const { certified, address } = incoming.peer;
    return login.authenticator.identify({ authorization: incoming.authorization, certified, address });
  }

  /**
   * Pages never use the `Authorization` header, and the API never uses the cookie: a browser sends either one with requests
   * that another site has caused.
   */
  #identifyVisitor(exchange: Exchange): Identity {
    return this.context.web?.sessions.identify(exchange) ?? anonymous;
  }

  #admit(
    exchange: Exchange,
    route: PermittedRoute,
    identity: Identity,
    path: PathTexts,
  ): void | Promise<void> {
    exchange.identity = identity;
    this.limits.countRequest(exchange);
    if (exchange.body === undefined) return this.#handle(exchange, route, identity, path);
    return this.#receive(exchange, route, () => this.#handle(exchange, route, identity, path));
  }

  /** Handles a request with a body while it holds one of the places for bodies. */
  async #receive(exchange: Exchange, route: PermittedRoute, work: () => void | Promise<void>): Promise<void> {
    const leave =
      route.action === "token" || route.page === true
        ? this.limits.enterForm(exchange)
        : this.limits.enterUpload(exchange);
    try {
      await work();
    } finally {
      leave();
    }
  }

  /** Asks the gate, then runs the handler with the permit. */
  #handle(
    exchange: Exchange,
    route: PermittedRoute,
    identity: Identity,
    path: PathTexts,
  ): void | Promise<void> {
    const { context } = this;
    const { gate } = context;
    switch (route.action) {
      case "base":
        return route.handle(context, exchange, gate.base(identity));
      case "page":
        return route.handle(context, exchange, gate.page(identity));
      case "login":
        return route.handle(context, exchange, gate.login(identity));
      case "robots":
        return route.handle(context, exchange, gate.robots(identity));
      case "token":
        return route.handle(context, exchange, gate.token(identity));
      case "metrics":
        return route.handle(context, exchange, gate.metrics(identity));
      case "catalog":
        return route.handle(context, exchange, gate.catalog(identity));
      case "pull":
        return route.handle(context, exchange, gate.pull(identity, nameOf(exchange)), path.last, path);
      case "push":
        return route.handle(context, exchange, gate.push(identity, nameOf(exchange)), path.last, path);
      case "delete":
        return route.handle(context, exchange, gate.delete(identity, nameOf(exchange)), path.last, path);
    }
  }
}

function nameOf({ name }: Exchange): RepositoryName {
  assert(name !== undefined, "a route on a repository has its name");
  return name;
}
