/** The ID of an upload session: a UUID, as the specification requires for `<blob-push-location>`. */
import { randomUUID } from "node:crypto";

declare const sessionBrand: unique symbol;
export type SessionId = string & { readonly [sessionBrand]: true };

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function newSessionId(): SessionId {
  return randomUUID() as SessionId;
}

/** Returns whether `text` is a valid session ID; no other text ever becomes part of a path. */
export function isSessionId(text: string): text is SessionId {
  return uuid.test(text);
}
