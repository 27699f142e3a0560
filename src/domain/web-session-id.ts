/** The ID of a browser's session: 128 random bits. Alone it opens nothing, because a session is signed. */
import { randomBytes } from "node:crypto";

declare const webSessionBrand: unique symbol;
export type WebSessionId = string & { readonly [webSessionBrand]: true };

export function newWebSessionId(): WebSessionId {
  return randomBytes(16).toString("base64url") as WebSessionId;
}

export function isWebSessionId(text: string): text is WebSessionId {
  return /^[\w-]{22}$/.test(text);
}
