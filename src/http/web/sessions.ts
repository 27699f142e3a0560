/**
 * The sessions of browsers. A session is a signed cookie, so that every node knows it without asking another. It contains who
 * has logged in; whether that person still may is asked at each request. A visitor who has not logged in gets a cookie of
 * another name with the first form, which binds the form to the browser.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { anonymous, type Identity } from "../../auth/identity.js";
import { callerOf, storedCaller, storedOf } from "../../auth/stored-caller.js";
import type { Changes } from "../../cluster/cluster.js";
import { RegistryError } from "../../domain/errors.js";
import { isWebSessionId, newWebSessionId, type WebSessionId } from "../../domain/web-session-id.js";
import { SignedValues } from "../../lib/signed-values.js";
import type { Login } from "../context.js";
import type { Exchange } from "../exchange.js";
import { cookieValues, setCookie } from "./cookies.js";
import { EndedSessions } from "./ended-sessions.js";
import { foreignHost, hasOwnHost, isHttps } from "./own-origin.js";
import type { WebSessions } from "./web.js";

const session = z.object({
  id: z.string().refine(isWebSessionId),
  /** Milliseconds since the epoch, when the visitor logged in. */
  startedAt: z.number(),
  /** When this cookie was made. */
  renewedAt: z.number(),
  /** Absent before the login. */
  caller: storedCaller.optional(),
});

type Session = z.output<typeof session>;

export interface SessionsOptions {
  /** The same on all nodes. */
  readonly secret: Buffer;
  /** The time after which a visitor must log in again. */
  readonly seconds: number;
  /** Absent on a server without authentication. */
  readonly login: Pick<Login, "authenticator" | "limitOf"> | undefined;
  /** The setting `http.host`. */
  readonly publicOrigin: string | undefined;
  readonly changes: Changes;
}

/** Time without a request after which a session ends. */
const idleSeconds = 3600;

/** The token of a CI job is valid for minutes, which the session cannot see. As long as an access token by default. */
const jobSeconds = 300;

/** Browsers store no cookie with more than 4096 characters in its name, value and attributes. */
const valueCharactersMax = 3900;

/** 132 bits. */
const markCharacters = 22;

/** Browsers accept this prefix only from the host itself, over HTTPS: neither a subdomain nor a network can replace it. */
const hostPrefix = "__Host-";

/**
 * Another site that leads to a page does not make the browser send the session. Without the second cookie, a form on that
 * page would begin a new session, and end the one that was not sent.
 */
const cookies = {
  session: { name: "gantry-session", sameSite: "Strict" },
  form: { name: "gantry-form", sameSite: "Lax" },
} as const;

type CookieKind = keyof typeof cookies;

export class Sessions implements WebSessions {
  readonly #values: SignedValues<Session>;
  readonly #ended: EndedSessions;
  /** The session of each running request. */
  readonly #current = new WeakMap<Exchange, Session>();

  constructor(readonly options: SessionsOptions) {
    this.#values = new SignedValues(options.secret, "web session", (value) => session.safeParse(value).data);
    this.#ended = new EndedSessions(options.changes, options.seconds);
  }

  get canLogIn(): boolean {
    return this.options.login !== undefined;
  }

  identify(exchange: Exchange): Identity {
    // A probe may ask for the root by any name.
    if (exchange.path !== "/" && !this.isTrusted(exchange)) throw foreignHost(exchange, "it serves pages");
    const found = this.#read(exchange, "session");
    const identity = found?.caller && this.#identityOf(found.caller);
    if (found === undefined || identity === undefined) {
      if (found !== undefined) this.#remove(exchange);
      const form = this.#read(exchange, "form");
      if (form !== undefined) this.#current.set(exchange, form);
      return guest(exchange);
    }
    this.#current.set(exchange, found);
    const age = Date.now() - found.renewedAt;
    if (age > (1000 * secondsOf(identity, this.options.seconds)) / 2)
      this.#give(exchange, { ...found, renewedAt: Date.now() });
    return identity;
  }

  /** Returns `undefined` if the visitor may no longer log in. */
  #identityOf(caller: NonNullable<Session["caller"]>): Identity | undefined {
    const { login } = this.options;
    const identity = login && callerOf(caller, login.limitOf);
    if (identity === undefined) return undefined;
    try {
      return login?.authenticator.current(identity);
    } catch (error) {
      if (error instanceof RegistryError && error.kind === "unauthorized") return undefined;
      throw error;
    }
  }

  isTrusted(exchange: Exchange): boolean {
    const { login, publicOrigin } = this.options;
    return login !== undefined || hasOwnHost(exchange, publicOrigin);
  }

  isLoggedIn(exchange: Exchange): boolean {
    return this.#current.get(exchange)?.caller !== undefined;
  }

  formToken(exchange: Exchange): string {
    const current = this.#current.get(exchange) ?? this.#begin(exchange, undefined);
    return this.#tokenOf(current.id);
  }

  hasFormToken(exchange: Exchange, token: string): boolean {
    const current = this.#current.get(exchange);
    return current !== undefined && isSame(token, this.#tokenOf(current.id));
  }

  markOf(exchange: Exchange, text: string): string {
    const { id } = this.#current.get(exchange) ?? this.#begin(exchange, undefined);
    return this.#markOf(id, text);
  }

  hasMark(exchange: Exchange, text: string, mark: string): boolean {
    const current = this.#current.get(exchange);
    return current !== undefined && isSame(mark, this.#markOf(current.id, text));
  }

  logIn(exchange: Exchange, identity: Identity): void {
    exchange.identity = identity;
    this.#begin(exchange, identity);
  }

  async logOut(exchange: Exchange): Promise<void> {
    const current = this.#current.get(exchange);
    this.#remove(exchange);
    // Anyone can get sessions without a login, and must not displace others in the list.
    if (current?.caller !== undefined) await this.#ended.add(current.id);
  }

  /** Begins a session with a new ID, so that nobody knows it who has seen the cookie before the login. */
  #begin(exchange: Exchange, identity: Identity | undefined): Session {
    const now = Date.now();
    const begun: Session = {
      id: newWebSessionId(),
      startedAt: now,
      renewedAt: now,
      ...(identity !== undefined && { caller: storedCaller.parse(storedOf(identity)) }),
    };
    this.#give(exchange, begun);
    return begun;
  }

  /** Throws `request-invalid` if no browser would store the cookie. */
  #give(exchange: Exchange, given: Session): void {
    const { seconds } = this.options;
    const { startedAt, renewedAt, caller } = given;
    const until =
      caller === undefined
        ? startedAt + 1000 * seconds
        : Math.min(
            startedAt + 1000 * lastsOf(caller, seconds),
            renewedAt + 1000 * secondsOf(caller, seconds),
          );
    const made = this.#values.sign(given, until);
    if (made.length > valueCharactersMax)
      throw new RegistryError(
        "request-invalid",
        "this login has more groups or claims than a browser can keep; use a login with fewer",
      );
    this.#set(exchange, caller === undefined ? "form" : "session", made);
    this.#current.set(exchange, given);
  }

  #remove(exchange: Exchange): void {
    this.#set(exchange, "session", "", 0);
    this.#current.delete(exchange);
  }

  #set(exchange: Exchange, kind: CookieKind, value: string, maxAgeSeconds?: number): void {
    const secure = isHttps(exchange, this.options.publicOrigin);
    const { name, sameSite } = cookies[kind];
    const lifetime = maxAgeSeconds === undefined ? {} : { maxAgeSeconds };
    setCookie(exchange, secure ? hostPrefix + name : name, value, {
      path: "/",
      sameSite,
      secure,
      ...lifetime,
    });
  }

  #read(exchange: Exchange, kind: CookieKind): Session | undefined {
    const { name } = cookies[kind];
    const full = isHttps(exchange, this.options.publicOrigin) ? hostPrefix + name : name;
    for (const value of cookieValues(exchange.header("cookie"), full)) {
      const found = this.#values.read(value);
      if (found !== undefined && !this.#ended.has(found.id)) return found;
    }
    return undefined;
  }

  #tokenOf(id: WebSessionId): string {
    return this.#mac(`form ${id}`);
  }

  /** In addresses, which others may come to see: it must not be the token of a form. */
  #markOf(id: WebSessionId, text: string): string {
    return this.#mac(`mark ${id} ${text}`).slice(0, markCharacters);
  }

  #mac(text: string): string {
    return createHmac("sha256", this.options.secret).update(text).digest("base64url");
  }
}

function isSame(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/** A visitor without a login: the holder of the client certificate, if there is one. */
function guest({ incoming }: Exchange): Identity {
  return incoming.peer.certified ?? anonymous;
}

function lastsOf({ kind }: Pick<Identity, "kind">, seconds: number): number {
  return kind === "workload" ? Math.min(jobSeconds, seconds) : seconds;
}

function secondsOf(caller: Pick<Identity, "kind">, seconds: number): number {
  return Math.min(idleSeconds, lastsOf(caller, seconds));
}
