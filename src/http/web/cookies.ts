/** Reads and writes cookies that scripts cannot read. */
import type { Exchange } from "../exchange.js";

/** Cookies of one name that are considered: other paths or domains of the host may set more. */
const candidatesMax = 4;

/**
 * Returns the values of a cookie in the `Cookie` header, most specific first. Our values contain neither `;` nor `,`, which
 * separates headers that a proxy has joined.
 */
export function cookieValues(header: string, name: string): string[] {
  const values: string[] = [];
  for (const pair of header.split(/[;,]/)) {
    const equals = pair.indexOf("=");
    if (pair.slice(0, equals).trim() === name) values.push(pair.slice(equals + 1).trim());
    if (values.length === candidatesMax) break;
  }
  return values;
}

export interface CookieOptions {
  readonly path: string;
  /** `Strict` is not sent when another site leads here; `Lax` is. */
  readonly sameSite: "Strict" | "Lax";
  /** Whether it is sent over HTTPS only. */
  readonly secure: boolean;
  /** Absent for a cookie that ends with the browser; 0 removes it. */
  readonly maxAgeSeconds?: number;
}

/** Sets a cookie with the response, instead of another one with that name. */
export function setCookie(exchange: Exchange, name: string, value: string, options: CookieOptions): void {
  const { path, sameSite, secure, maxAgeSeconds } = options;
  const parts = [
    `${name}=${value}`,
    `Path=${path}`,
    "HttpOnly",
    `SameSite=${sameSite}`,
    ...(secure ? ["Secure"] : []),
    ...(maxAgeSeconds === undefined ? [] : [`Max-Age=${maxAgeSeconds}`]),
  ];
  exchange.cookies = new Map([...(exchange.cookies ?? []), [name, parts.join("; ")]]);
}
