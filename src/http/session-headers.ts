/** The headers about an upload session: its location and the received range (distribution-spec, end-4 to end-6). */
import type { SessionId } from "../domain/session-id.js";
import type { Exchange, Headers } from "./exchange.js";

export interface SessionState {
  readonly id: SessionId;
  /** Bytes that have been written. */
  readonly received: number;
}

/** Returns the headers for a session of the request's repository. */
export function sessionHeaders(exchange: Exchange, { id, received }: SessionState): Headers {
  return [
    exchange.location(`/v2/${exchange.name}/blobs/uploads/${id}`),
    ["Docker-Upload-UUID", id],
    // `0-<end-of-range>`. The specification has no form for an empty session; clients understand `0-0`.
    ["Range", `0-${Math.max(0, received - 1)}`],
  ];
}
