/** The API root (distribution-spec, end-1), which shows that the API is here and whether it needs a login. */
import type { BasePermit } from "../auth/gate.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";

export function getBase(_context: HttpContext, exchange: Exchange, _permit: BasePermit): void {
  exchange.send(200, [["Content-Type", "application/json"]], "{}");
}
