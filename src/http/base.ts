/** The API's own root (distribution-spec, end-1): that it is spoken here, and whether to log in. And the server's. */
import type { BasePermit } from "../auth/gate.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";

export function getBase(_context: HttpContext, exchange: Exchange, _permit: BasePermit): void {
  exchange.send(200, [["Content-Type", "application/json"]], "{}");
}

/** Charts that were written for CNCF distribution look here for whether it is alive. */
export function getRoot(_context: HttpContext, exchange: Exchange): void {
  exchange.send(200, [["Cache-Control", "no-cache"]]);
}
