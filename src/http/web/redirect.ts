/** Redirects between pages. */
import type { Exchange } from "../exchange.js";

/** Sends the browser to another page, with GET. */
export function redirect(exchange: Exchange, path: string): void {
  exchange.send(303, [
    ["Location", path],
    ["Cache-Control", "no-store"],
  ]);
}
