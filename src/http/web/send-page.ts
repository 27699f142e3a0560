/** Sends a page. Nothing in it is executed but our own script, and nothing is loaded from elsewhere. */
import type { JSX } from "hono/jsx/jsx-runtime";
import type { Exchange, Headers } from "../exchange.js";

/**
 * Content that got past the escaping could neither run a script, nor load or frame anything, nor send a form elsewhere.
 * `same-origin` keeps the `Origin` of our own forms, and sends other sites no address.
 */
const pageHeaders: Headers = [
  ["Content-Type", "text/html; charset=utf-8"],
  [
    "Content-Security-Policy",
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  ],
  ["Referrer-Policy", "same-origin"],
  ["X-Frame-Options", "DENY"],
  ["Cross-Origin-Opener-Policy", "same-origin"],
  ["Cross-Origin-Resource-Policy", "same-origin"],
  // A search engine would follow every order, filter and page of each list of tags.
  ["X-Robots-Tag", "noindex, nofollow"],
  // Pages show what their visitor may see.
  ["Cache-Control", "no-store"],
];

/** Renders a page, which takes up to some milliseconds, in a turn of its own. Rejects with `ClientGone`. */
export async function sendPage(
  exchange: Exchange,
  status: number,
  page: JSX.Element,
  headers: Headers = [],
): Promise<void> {
  await exchange.untilTurn();
  const html = await page.toString();
  exchange.send(status, [...pageHeaders, ...headers], `<!doctype html>${html}`);
}
