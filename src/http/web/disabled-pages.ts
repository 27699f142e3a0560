/** The server's root without the web page. */
import { RegistryError } from "../../domain/errors.js";
import type { Exchange } from "../exchange.js";

/** Charts written for CNCF distribution use `/` as a liveness probe. Throws `path-unknown` for pages. */
export function answerDisabledPage(exchange: Exchange): void {
  if (exchange.path !== "/") throw noPages();
  exchange.send(200, [["Cache-Control", "no-cache"]]);
}

export function noPages(): RegistryError {
  return new RegistryError("path-unknown", "this server has no web page (setting http.ui.enabled)");
}
