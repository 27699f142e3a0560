/**
 * Verifies tokens of an external issuer, as CNCF distribution does (`auth.token`). The token alone decides what its holder
 * may do: the issuer has applied its own policy.
 */
import { HitCounts } from "../../lib/hit-counts.js";
import type { Attempt, Grants, Identity, TokenVerifier } from "../identity.js";
import { parseAccess, tokenAccess } from "./access.js";
import { claimedIssuer, type KeySource, refused, verifyJwt } from "./jwt.js";
import { VerifiedTokens } from "./verified-tokens.js";

export interface OutsideTokensOptions {
  readonly keys: KeySource;
  readonly issuer: string;
  /** The name by which the issuer knows this registry: the audience. */
  readonly service: string;
  readonly algorithms: readonly string[];
}

/** The subject is logged and stored with each upload. */
const subjectCharactersMax = 1024;

/** Everything, narrowed by the token's scope, so that a client with too little scope is asked to get another token. */
const everything: Grants = { allows: () => true };

export class OutsideTokens implements TokenVerifier {
  readonly lookups = new HitCounts();
  readonly #verified = new VerifiedTokens(this.lookups);

  constructor(readonly options: OutsideTokensOptions) {}

  verify(token: string, attempt?: Attempt): Identity | undefined | Promise<Identity> {
    const { keys, issuer } = this.options;
    const { generation } = keys;
    const known = this.#verified.get(token, generation);
    if (known !== undefined) return known;
    return claimedIssuer(token) === issuer ? this.#verify(token, generation, attempt) : undefined;
  }

  async #verify(token: string, generation: number, attempt: Attempt | undefined): Promise<Identity> {
    const { keys, issuer, service, algorithms } = this.options;
    const verified = await verifyJwt(token, { keys, issuer, audience: service, algorithms }, attempt);
    const { sub = "", access: claim } = verified.claims;
    const access = parseAccess(claim);
    if (access === undefined) throw refused("its access is malformed");
    if (typeof sub !== "string" || sub.length > subjectCharactersMax)
      throw refused("its subject is malformed");
    const identity: Identity = {
      kind: "outside",
      subject: `outside:${sub}`,
      name: sub,
      groups: [],
      version: "",
      claims: {},
      limit: everything,
      limitDecides: true,
      token: tokenAccess(access),
    };
    this.#verified.keep(token, generation, verified, identity);
    return identity;
  }
}
