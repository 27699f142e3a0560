// Upload sessions from the clients' view: the bytes acknowledged by the server, and the maximum that it can have. Outlives
// the server, so that sessions can be continued after a crash.

import type { Blob } from "../support/content.js";

export interface OpenSession {
  readonly name: string;
  readonly location: string;
  readonly blob: Blob;
  /** Acknowledged bytes. */
  acknowledged: number;
  /** Sent bytes, including those of a request without a response. */
  sent: number;
  /** Whether a request that ends the session was sent, and whether it was acknowledged. */
  ending: "no" | "sent" | "acknowledged";
  /** Whether the session has become a blob, rather than being canceled. */
  isClosed: boolean;
}

export class Sessions {
  readonly open = new Set<OpenSession>();
  /** Sessions ended by an acknowledged request since the last crash. */
  readonly ended = new Set<OpenSession>();

  add(name: string, location: string, blob: Blob): OpenSession {
    const session: OpenSession = {
      name,
      location,
      blob,
      acknowledged: 0,
      sent: 0,
      ending: "no",
      isClosed: false,
    };
    this.open.add(session);
    return session;
  }

  end(session: OpenSession): void {
    session.ending = "acknowledged";
    this.open.delete(session);
    this.ended.add(session);
  }

  forget(session: OpenSession): void {
    this.open.delete(session);
    this.ended.delete(session);
  }
}
