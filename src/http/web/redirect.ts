/** Redirects between pages. */
import type { Exchange, Headers } from "../exchange.js";

/** Sends the browser to another page, with GET. */
export function redirect(exchange: Exchange, path: string, headers: Headers = []): void {
  exchange.send(303, [["Location", path], ["Cache-Control", "no-store"], ...headers]);
}
