/** The ID of an upload session: a UUID, as the specification requires for `<blob-push-location>`. */
import { randomUUID } from "node:crypto";

declare const sessionBrand: unique symbol;
export type SessionId = string & { readonly [sessionBrand]: true };

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** `node`, 12 hexadecimal digits, becomes the last group, so that other nodes know which one opened the session. */
export function newSessionId(node?: string): SessionId {
  const id = randomUUID();
  return (node === undefined ? id : id.slice(0, -node.length) + node) as SessionId;
}

/** Returns the last group, in which a node of several has put its digits. */
export function nodeOfSession(id: SessionId): string {
  return id.slice(-12);
}

/** Returns whether `text` is a valid session ID; no other text ever becomes part of a path. */
export function isSessionId(text: string): text is SessionId {
  return uuid.test(text);
}
