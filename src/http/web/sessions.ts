/** The sessions of browsers. */
import { createHmac } from "node:crypto";
import { anonymous, type Identity } from "../../auth/identity.js";
import type { Exchange } from "../exchange.js";
import type { WebSessions } from "./web.js";

export class Sessions implements WebSessions {
  readonly canLogIn = false;

  /** `secret` is the same on all nodes. */
  constructor(readonly secret: Buffer) {}

  identify({ incoming }: Exchange): Identity {
    return incoming.peer.certified ?? anonymous;
  }

  formToken({ identity }: Exchange): string {
    return createHmac("sha256", this.secret)
      .update(`form ${identity?.subject ?? ""}`)
      .digest("base64url");
  }
}
