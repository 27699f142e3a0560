/** What the pages need beside the services of the API. */
import type { Identity } from "../../auth/identity.js";
import type { Browse } from "../../browse/browse.js";
import type { Exchange } from "../exchange.js";
import type { Assets } from "./assets.js";

export interface Web {
  readonly sessions: WebSessions;
  readonly assets: Assets;
  readonly browse: Browse;
}

/** The sessions of browsers. */
export interface WebSessions {
  /**
   * Returns the visitor by session cookie or, without one, by client certificate. A cookie that has expired or is not valid
   * makes the visitor anonymous. Throws or rejects with `too-many-requests` after many forged ones.
   */
  identify(exchange: Exchange): Identity | Promise<Identity>;
  /** Returns the token that forms of this visitor must contain. Another site cannot know it. */
  formToken(exchange: Exchange): string;
  /** Whether visitors can log in. */
  readonly canLogIn: boolean;
}
