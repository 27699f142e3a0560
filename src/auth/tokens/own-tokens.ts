/**
 * Tokens that Gantry issues: short-lived access tokens, which name the caller and the scope, and refresh tokens, with which
 * a user gets more access tokens. They do not contain the policy's grants: each use asks the policy, and checks that the
 * identity is current, so that revoking takes effect while a token is valid.
 */
import { randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import { HitCounts } from "../../lib/hit-counts.js";
import type { Attempt, Identity, TokenVerifier } from "../identity.js";
import { callerOf, type LimitOf, storedCaller, storedOf } from "../stored-caller.js";
import { type Access, claimOf, parseAccess, tokenAccess } from "./access.js";
import { claimedIssuer, type Expected, refused, type Verified, verifyJwt } from "./jwt.js";
import type { SigningKey } from "./signing-key.js";
import { VerifiedTokens } from "./verified-tokens.js";

export interface OwnTokensOptions {
  readonly key: SigningKey;
  readonly issuer: string;
  /** The name by which clients know this registry: the audience. */
  readonly service: string;
  /** "A token should never be returned with less than 60 seconds to live." */
  readonly accessSeconds: number;
  /** 0 disables refresh tokens. */
  readonly refreshSeconds: number;
  /** Returns the current limit of a robot or CI job: the token contains only its name. */
  readonly limitOf: LimitOf;
}

export interface IssuedToken {
  readonly token: string;
  readonly expiresInSeconds: number;
  readonly issuedAt: Date;
}

/** The protocol defines only one token type; a registry must not accept a refresh token as an access token. */
const accessType = "JWT";
const refreshType = "refresh+jwt";

/** The only generation: the key stays the same while the process runs. */
const generation = 0;

export class OwnTokens implements TokenVerifier {
  readonly lookups = new HitCounts();
  readonly #verified = new VerifiedTokens(this.lookups);
  readonly #expected: Omit<Expected, "type">;

  constructor(readonly options: OwnTokensOptions) {
    const { key, issuer, service } = options;
    this.#expected = {
      keys: {
        keyOf: ({ kid }) => {
          if (kid === key.id) return key.publicKey;
          throw refused("its key is not trusted");
        },
      },
      algorithms: ["ES256"],
      issuer,
      audience: service,
    };
  }

  async issue(identity: Identity, access: Access): Promise<IssuedToken> {
    const { accessSeconds } = this.options;
    const issuedAt = new Date();
    const token = await this.#sign(identity, accessType, accessSeconds, issuedAt, {
      access: claimOf(access),
    });
    return { token, expiresInSeconds: accessSeconds, issuedAt };
  }

  /** Returns a refresh token for users only, otherwise `undefined`: machines keep their credentials anyway. */
  async refreshToken(identity: Identity): Promise<string | undefined> {
    const { refreshSeconds } = this.options;
    if (identity.kind !== "user" || refreshSeconds === 0) return undefined;
    return this.#sign(identity, refreshType, refreshSeconds, new Date(), {});
  }

  verify(token: string, attempt?: Attempt): Identity | undefined | Promise<Identity> {
    const known = this.#verified.get(token, generation);
    if (known !== undefined) return known;
    return claimedIssuer(token) === this.options.issuer ? this.#verifyAccess(token, attempt) : undefined;
  }

  /** Returns the identity in a refresh token; the caller must check that it is current. Rejects with `unauthorized`. */
  async verifyRefresh(token: string, attempt?: Attempt): Promise<Identity> {
    if (this.options.refreshSeconds === 0) throw refused("refresh tokens are not in use");
    return this.#callerOf(await verifyJwt(token, { ...this.#expected, type: refreshType }, attempt));
  }

  async #verifyAccess(token: string, attempt: Attempt | undefined): Promise<Identity> {
    const verified = await verifyJwt(token, { ...this.#expected, type: accessType }, attempt);
    const access = parseAccess(verified.claims.access);
    if (access === undefined) throw refused("its access is malformed");
    const identity = { ...this.#callerOf(verified), token: tokenAccess(access) };
    this.#verified.keep(token, generation, verified, identity);
    return identity;
  }

  #callerOf({ claims }: Verified): Identity {
    const parsed = storedCaller.safeParse(claims.gantry);
    if (!parsed.success) throw refused("it is of another version");
    const caller = callerOf(parsed.data, this.options.limitOf);
    if (caller === undefined) throw refused("its robot account or CI rule no longer exists");
    return caller;
  }

  #sign(
    identity: Identity,
    type: string,
    seconds: number,
    issuedAt: Date,
    rest: { access?: unknown },
  ): Promise<string> {
    return (
      new SignJWT({ ...rest, gantry: storedOf(identity) })
        .setProtectedHeader({ typ: type, alg: "ES256", kid: this.options.key.id })
        .setIssuer(this.options.issuer)
        // "This should be empty if the client did not authenticate."
        .setSubject(identity.kind === "anonymous" ? "" : identity.subject)
        .setAudience(this.options.service)
        .setIssuedAt(issuedAt)
        .setNotBefore(issuedAt)
        .setExpirationTime(new Date(issuedAt.getTime() + seconds * 1000))
        .setJti(randomUUID())
        .sign(this.options.key.privateKey)
    );
  }
}
