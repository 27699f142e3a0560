/** Sends the style sheet, the script and the icon of the pages. */
import { RegistryError } from "../../domain/errors.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import type { AssetName } from "./assets.js";

/** Sends the file of that name. Throws `path-unknown` on a server without pages. */
export function asset(name: AssetName): (context: HttpContext, exchange: Exchange) => void {
  return ({ web }, exchange) => {
    if (web === undefined)
      throw new RegistryError("path-unknown", "this server has no web page (setting http.ui.enabled)");
    web.assets.send(exchange, name);
  };
}
