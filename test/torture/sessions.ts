// Upload sessions as the clients know them: how many bytes the server has acknowledged, and how many it
// can have at most. Outlives the server, so that they can be asked for and gone on with after a crash.

import type { Blob } from "../support/content.js";

export interface OpenSession {
  readonly name: string;
  readonly location: string;
  readonly blob: Blob;
  /** Bytes that an answer has told of. */
  acknowledged: number;
  /** Bytes that were sent, with those of a request that had no answer. */
  sent: number;
  /** Whether a request that ends the session was sent, and whether it was acknowledged. */
  ending: "no" | "sent" | "acknowledged";
}

export class Sessions {
  readonly open = new Set<OpenSession>();
  /** Those that were ended by a request that was acknowledged, since the last crash. */
  readonly ended = new Set<OpenSession>();

  add(name: string, location: string, blob: Blob): OpenSession {
    const session: OpenSession = { name, location, blob, acknowledged: 0, sent: 0, ending: "no" };
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
