/** Remembers in the browser which login at the login server it has begun, until it comes back. */
import { z } from "zod";
import type { OidcFlow } from "../../auth/oidc/provider.js";
import { SignedValues } from "../../lib/signed-values.js";
import type { Exchange } from "../exchange.js";
import { cookieValues, setCookie } from "./cookies.js";
import { isHttps } from "./own-origin.js";

const begun = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  redirectUri: z.string(),
  /** The page to which the login leads. */
  target: z.string(),
});

type Begun = OidcFlow & { readonly target: string };

/** Time that people have for logging in there. */
const seconds = 600;

const name = "gantry-oidc";
/** The prefix for cookies with a path of their own. */
const secureName = `__Secure-${name}`;
const path = "/ui/oidc/";

export class OidcFlows {
  readonly #values: SignedValues<Begun>;

  /** `secret` is the same on all nodes. */
  constructor(
    secret: Buffer,
    readonly publicOrigin: string | undefined,
  ) {
    this.#values = new SignedValues(secret, "oidc flow", (value) => begun.safeParse(value).data);
  }

  begin(exchange: Exchange, flow: Begun): void {
    this.#set(exchange, this.#values.sign(flow, Date.now() + 1000 * seconds), seconds);
  }

  /** Returns the login that this browser has begun last, if it was not long ago, and forgets it. */
  take(exchange: Exchange): Begun | undefined {
    const which = isHttps(exchange, this.publicOrigin) ? secureName : name;
    const [value = ""] = cookieValues(exchange.header("cookie"), which);
    this.#set(exchange, "", 0);
    return this.#values.read(value);
  }

  /** Not `Strict`: the login server leads back here. */
  #set(exchange: Exchange, value: string, maxAgeSeconds: number): void {
    const secure = isHttps(exchange, this.publicOrigin);
    setCookie(exchange, secure ? secureName : name, value, { path, sameSite: "Lax", secure, maxAgeSeconds });
  }
}
