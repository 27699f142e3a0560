/** What an answer says of an upload session: where it goes on, and how much of it has come (distribution-spec, end-4 to end-6). */
import type { SessionId } from "../domain/session-id.js";
import type { Exchange, Headers } from "./exchange.js";

export interface SessionState {
  readonly id: SessionId;
  /** Bytes that have been written. */
  readonly received: number;
}

/** Of a session of the repository that the request is about. */
export function sessionHeaders(exchange: Exchange, { id, received }: SessionState): Headers {
  return [
    exchange.location(`/v2/${exchange.name}/blobs/uploads/${id}`),
    ["Docker-Upload-UUID", id],
    // `0-<end-of-range>`; the specification has no way to say «nothing yet», and clients know this one.
    ["Range", `0-${Math.max(0, received - 1)}`],
  ];
}
