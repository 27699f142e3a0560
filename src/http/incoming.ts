/** The parts of a request that are read when its headers have arrived. */

import type { Action } from "../auth/gate.js";
import type { RequestBody } from "./body.js";
import type { Front } from "./forwarded.js";
import type { Peer } from "./peer.js";

/** What observers read of a row of the route table. */
export interface RouteOf {
  readonly path: string;
  readonly action: Action | "public";
  readonly page?: true;
  readonly stream?: true;
}

/** A request as received. */
export interface Incoming {
  /** In capitals. */
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** The headers that the route declares; `""` if absent. */
  readonly headers: Readonly<Record<string, string>>;
  /** `Authorization`, kept apart from the other headers so that it is never logged with them. */
  readonly authorization: string;
  readonly host: string;
  /** `User-Agent`. */
  readonly agent: string;
  /** `X-Request-ID`, if a proxy has set one that is safe to log. */
  readonly requestId: string;
  readonly peer: Peer;
  /** What the request's own headers say about proxies; not trusted. */
  readonly front: Front;
  /** The row of the route table; absent if the path is not part of the API. */
  readonly route: RouteOf | undefined;
  /** Present on routes with a body. */
  readonly body: RequestBody | undefined;
  /** Whether it has a body and is the last on its connection. */
  readonly closes: boolean;
}
