/** Sends the style sheet, the script and the icon of the pages. */
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import type { AssetName } from "./assets.js";
import { noPages } from "./disabled-pages.js";

/** Sends the file of that name. Throws `path-unknown` on a server without pages. */
export function asset(name: AssetName): (context: HttpContext, exchange: Exchange) => void {
  return ({ web }, exchange) => {
    if (web === undefined) throw noPages();
    web.assets.send(exchange, name);
  };
}
