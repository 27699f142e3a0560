/** Which addresses in a browser are this server's: other sites must change nothing, and no name of theirs may lead here. */
import { isIP } from "node:net";
import { RegistryError } from "../../domain/errors.js";
import type { Exchange } from "../exchange.js";
import { originOf } from "../origin.js";

/** Whether the browser is known to use HTTPS. `publicOrigin` is the setting `http.host`. */
export function isHttps({ incoming }: Exchange, publicOrigin: string | undefined): boolean {
  return originOf(incoming, publicOrigin)?.startsWith("https:") === true;
}

/** Returns whether `origin`, of the header `Origin`, is that of this server's pages. */
export function isOwnOrigin(origin: string, exchange: Exchange, publicOrigin: string | undefined): boolean {
  const host = exchange.incoming.host.toLowerCase();
  const given = origin.toLowerCase();
  if (given === publicOrigin || given === `https://${host}`) return true;
  // Behind a proxy that does not say so, the browser may use either.
  return given === `http://${host}` && !isHttps(exchange, publicOrigin);
}

/** Returns whether the browser says that a page of another origin has sent the request. Needs `Origin` and `Sec-Fetch-Site`. */
export function isFromElsewhere(exchange: Exchange, publicOrigin: string | undefined): boolean {
  const site = exchange.header("sec-fetch-site");
  if (site !== "") return site !== "same-origin";
  // Browsers send no Fetch Metadata over plain HTTP, except to the machine itself, but the origin with every change.
  const origin = exchange.header("origin");
  return origin !== "" && !isOwnOrigin(origin, exchange, publicOrigin);
}

/**
 * Returns whether the requested host is an address, or a name that only this machine or the operator can have given. On a
 * server without logins, a page of another site could otherwise read and change everything: its own name may resolve to this
 * server's address (DNS rebinding), and then the browser takes the two for one site.
 */
export function hasOwnHost({ incoming }: Exchange, publicOrigin: string | undefined): boolean {
  const host = incoming.host.toLowerCase();
  const name = host.replace(/:\d*$/, "");
  const isAddress = isIP(name) === 4 || (name.startsWith("[") && isIP(name.slice(1, -1)) === 6);
  if (isAddress || name === "localhost" || name.endsWith(".localhost")) return true;
  if (publicOrigin === undefined) return false;
  const own = new URL(publicOrigin);
  const port = own.port === "" ? (own.protocol === "https:" ? ":443" : ":80") : "";
  return host === own.host || host === `${own.host}${port}`;
}

/** The error for a host that `hasOwnHost` does not know. */
export function foreignHost(
  exchange: Exchange,
  what: "it serves pages" | "browsers may change it",
): RegistryError {
  return new RegistryError(
    "denied",
    `this registry has no logins, so ${what} only at localhost, at an IP address and at http.host: set http.host to the address in your browser, such as http://${exampleHost(exchange)}`,
  );
}

function exampleHost({ incoming: { host } }: Exchange): string {
  return /^[\w.-]{1,100}(?::\d{1,5})?$/.test(host) ? host : "registry.example.com";
}
