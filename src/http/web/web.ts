/** What the pages need beside the services of the API. */
import type { Identity } from "../../auth/identity.js";
import type { Browse } from "../../browse/browse.js";
import type { Reports } from "../../browse/reports.js";
import type { KeyedTurns } from "../../lib/keyed-turns.js";
import type { Places } from "../../lib/places.js";
import type { Exchange } from "../exchange.js";
import type { Assets } from "./assets.js";
import type { LiveUpdates } from "./live-updates.js";
import type { OidcFlows } from "./oidc-flows.js";

export interface Web {
  readonly sessions: WebSessions;
  readonly assets: Assets;
  readonly browse: Browse;
  readonly live: LiveUpdates;
  /** Limits the concurrent pages of one client: each takes milliseconds of the event loop. */
  readonly turns: KeyedTurns;
  /** Limits the pages that are not answered yet, also those that wait for the storage and have given up their turn. */
  readonly open: Places;
  readonly reports: Reports;
  readonly logins: LoginWays;
  /** Absent without a login server. */
  readonly flows: OidcFlows | undefined;
  /** The setting `http.host`. */
  readonly publicOrigin: string | undefined;
}

/** How people log in to the pages. Robots always can with their keys, if anybody has to log in. */
export interface LoginWays {
  /** Whether this registry knows users with passwords. */
  readonly users: boolean;
  /** The server that knows them instead, if there is one. */
  readonly outside: string | undefined;
}

/** The sessions of browsers. */
export interface WebSessions {
  /**
   * Returns the visitor by session cookie or, without one, by client certificate. A cookie that has expired or is not valid
   * makes the visitor anonymous. Throws `denied` on a server without logins if the requested host may be a foreign name.
   */
  identify(exchange: Exchange): Identity;
  /** Whether the requested host is known to be this server's. False only for the root, for which `identify` does not throw. */
  isTrusted(exchange: Exchange): boolean;
  /** Whether visitors can log in. */
  readonly canLogIn: boolean;
  /** Whether the visitor has logged in with this browser, rather than by certificate. */
  isLoggedIn(exchange: Exchange): boolean;
  /** Returns the token that forms of this visitor must contain. Another site cannot know it. May set the cookie. */
  formToken(exchange: Exchange): string;
  hasFormToken(exchange: Exchange, token: string): boolean;
  /** Returns a mark for a text in an address of this visitor, which nobody else can make. May set the cookie. */
  markOf(exchange: Exchange, text: string): string;
  hasMark(exchange: Exchange, text: string, mark: string): boolean;
  /** Makes `identity` the visitor, with the cookie of the response. Throws `request-invalid` if it does not fit into one. */
  logIn(exchange: Exchange, identity: Identity): void;
  /** Ends the session, also for copies of the cookie. Rejects if the other nodes do not learn of it. */
  logOut(exchange: Exchange): Promise<void>;
}

/** Returns the parts of the pages. A route of a page has them. */
export function webOf({ web }: { readonly web?: Web | undefined }): Web {
  if (web === undefined) throw new Error("invariant broken: this server has no pages");
  return web;
}
