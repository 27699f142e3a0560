/**
 * Refuses requests that change something and that another site's page has sent from a browser: it needs no permission of this
 * server for a POST, and a server without logins cannot tell it from its user. Only browsers send `Origin` and `Sec-Fetch-Site`,
 * and no page can forge them. The forms of the web page have a guard of their own (`web/forms.ts`).
 */
import { RegistryError } from "../domain/errors.js";
import type { Exchange, Headers } from "./exchange.js";
import { foreignHost, hasOwnHost, isFromElsewhere } from "./web/own-origin.js";

/** The headers that the guard needs. Every row of the API's table that changes something declares them. */
export const browserHeaders = ["origin", "sec-fetch-site"];

export interface BrowserGuardOptions {
  /** The headers of every response: they say which origins may use this server (Fetch standard, "CORS protocol"). */
  readonly headers: Headers;
  /** The setting `http.host`. */
  readonly publicOrigin: string | undefined;
  readonly hasLogins: boolean;
}

const shownCharactersMax = 256;

export class BrowserGuard {
  readonly #allowed: ReadonlySet<string>;

  constructor(readonly options: BrowserGuardOptions) {
    this.#allowed = new Set(
      options.headers
        .filter(([name]) => name.toLowerCase() === "access-control-allow-origin")
        .map(([, value]) => value.trim().toLowerCase()),
    );
  }

  /** Throws `denied` if another site may have sent the request. */
  check(exchange: Exchange): void {
    const { method } = exchange;
    if (method === "GET" || method === "HEAD") return;
    const origin = exchange.header("origin");
    if (origin === "" && exchange.header("sec-fetch-site") === "") return;
    const { publicOrigin, hasLogins } = this.options;
    // A browser tells the truth about the origin, whatever name of this server the page has used.
    if (this.#allows(origin.toLowerCase())) return;
    if (isFromElsewhere(exchange, publicOrigin)) throw foreignOrigin(origin);
    if (!hasLogins && !hasOwnHost(exchange, publicOrigin))
      throw foreignHost(exchange, "browsers may change it");
  }

  #allows(origin: string): boolean {
    if (this.#allowed.has("*")) return true;
    return origin !== "" && (this.#allowed.has(origin) || origin === this.options.publicOrigin);
  }
}

function foreignOrigin(origin: string): RegistryError {
  return new RegistryError(
    "denied",
    "a page of another origin has sent this request from a browser: if that page may change this registry, add its origin to Access-Control-Allow-Origin in http.headers; if it is at this registry's own address, set http.host to that",
    { origin: origin.slice(0, shownCharactersMax) },
  );
}
