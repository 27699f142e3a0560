/** The API root (distribution-spec, end-1), which shows that the API is here and whether it needs a login; and the server's root. */
import type { BasePermit } from "../auth/gate.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";

export function getBase(_context: HttpContext, exchange: Exchange, _permit: BasePermit): void {
  exchange.send(200, [["Content-Type", "application/json"]], "{}");
}

/** Charts written for CNCF distribution use it as a liveness probe. */
export function getRoot(_context: HttpContext, exchange: Exchange): void {
  exchange.send(200, [["Cache-Control", "no-cache"]]);
}
