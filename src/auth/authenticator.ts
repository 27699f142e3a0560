/** Identifies a caller by the `Authorization` header and the client certificate. */
import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { RegistryError, TooManyRequests } from "../domain/errors.js";
import { networkOf } from "../lib/network.js";
import { type BucketOptions, TokenBuckets } from "../lib/token-buckets.js";
import {
  type Attempt,
  anonymous,
  type Identity,
  type IdentityKind,
  type PasswordVerifier,
  type TokenVerifier,
} from "./identity.js";

export interface AuthenticatorOptions {
  /** Tried in order until one knows the name and password. */
  readonly passwords: readonly PasswordVerifier[];
  readonly tokens: readonly TokenVerifier[];
  /** Limit of wrong passwords and forged tokens from one network, see `networkOf`. */
  readonly failures: Omit<BucketOptions, "keysMax">;
}

/** The credentials of a request. */
export interface Credentials {
  /** The `Authorization` header, `""` if there is none. */
  readonly authorization: string;
  /** The holder of the client certificate, used if there is no other credential. */
  readonly certified: Identity | undefined;
  readonly address: string;
}

/** No valid credential is longer. */
const headerCharactersMax = 14 * 1024;

const addressesMax = 100_000;

/** Forged tokens remembered as already counted. */
const forgedMax = 10_000;

/** Strict, because Node decodes as far as it can: of two joined headers the first, which a proxy may not have checked. */
const base64 = /^[\w+/-]+={0,2}$/;

/** Neither name nor password. */
const noCredentials = Buffer.from(":").toString("base64");

/** Kinds of identity that a `PasswordVerifier` can confirm. Others are valid as long as their connection or token. */
const kindsWithPassword: ReadonlySet<IdentityKind> = new Set(["user", "robot", "workload"]);

export class Authenticator {
  readonly #failures: TokenBuckets;
  /** Forged tokens by network: a token that is tried repeatedly counts once. */
  readonly #forged = new LRUCache<string, true>({ max: forgedMax });

  constructor(readonly options: AuthenticatorOptions) {
    this.#failures = new TokenBuckets({ ...options.failures, keysMax: addressesMax });
  }

  /**
   * Returns the caller, synchronously if the credentials were verified recently. Throws or rejects with `unauthorized`, or with
   * `too-many-requests` after too many wrong credentials from that network.
   */
  identify({ authorization, certified, address }: Credentials): Identity | Promise<Identity> {
    if (authorization === "") return certified ?? anonymous;
    if (authorization.length > headerCharactersMax) throw refused();
    const space = authorization.indexOf(" ");
    const value = authorization.slice(space + 1).trim();
    switch (authorization.slice(0, space).toLowerCase()) {
      case "basic":
        // podman and skopeo send this if they have no credentials.
        return value === noCredentials ? (certified ?? anonymous) : this.#basic(value, address);
      case "bearer":
        return this.#bearer(value, address);
      default:
        throw refused();
    }
  }

  #basic(encoded: string, address: string): Identity | Promise<Identity> {
    if (!base64.test(encoded)) throw refused();
    const text = Buffer.from(encoded, "base64").toString("utf8");
    const colon = text.indexOf(":");
    if (colon < 1) throw refused();
    return this.byPassword(text.slice(0, colon), text.slice(colon + 1), address);
  }

  /** Like `identify`. */
  byPassword(user: string, password: string, address: string): Identity | Promise<Identity> {
    const attempt: Attempt = {
      begin: () => this.#demandRoom(address),
      fail: () => this.#failures.take(networkOf(address)),
    };
    const found = firstKnown(this.options.passwords, (one) => one.verify(user, password, attempt));
    return found instanceof Promise ? found.then((identity) => identity ?? refuse()) : (found ?? refuse());
  }

  #bearer(token: string, address: string): Identity | Promise<Identity> {
    const attempt = this.attempt(token, address);
    const found = firstKnown(this.options.tokens, (verifier) => verifier.verify(token, attempt));
    return found instanceof Promise
      ? found.then((identity) => this.current(identity ?? refuse()))
      : this.current(found ?? refuse());
  }

  /** Returns a caller with a token, for the token verifiers. */
  attempt(token: string, address: string): Attempt {
    return { begin: () => this.#demandRoom(address), fail: () => this.#countForged(token, address) };
  }

  #demandRoom(address: string): void {
    const seconds = this.#failures.secondsUntilOne(networkOf(address));
    if (seconds > 0) throw new TooManyRequests("logins", "too many wrong credentials", seconds);
  }

  #countForged(token: string, address: string): void {
    const network = networkOf(address);
    const key = `${network} ${createHash("sha256").update(token).digest("base64")}`;
    if (this.#forged.get(key) === true) return;
    this.#forged.set(key, true);
    this.#failures.take(network);
  }

  /**
   * Checks the identity in a token, which may outlive its reason. Throws `unauthorized` if the identity has been revoked since,
   * or if its way to log in is no longer configured.
   */
  current(identity: Identity): Identity {
    const isKnown =
      !kindsWithPassword.has(identity.kind) ||
      this.options.passwords.some((verifier) => verifier.isCurrent(identity) === true);
    return isKnown ? identity : refuse();
  }
}

/** Returns the first identity found. Returns a promise only if a verifier does. */
function firstKnown<V>(
  verifiers: readonly V[],
  ask: (verifier: V) => Identity | undefined | Promise<Identity | undefined>,
  from = 0,
): Identity | undefined | Promise<Identity | undefined> {
  for (let index = from; index < verifiers.length; index++) {
    const verifier = verifiers[index];
    const answer = verifier && ask(verifier);
    if (answer instanceof Promise)
      return answer.then((identity) => identity ?? firstKnown(verifiers, ask, index + 1));
    if (answer !== undefined) return answer;
  }
  return undefined;
}

function refuse(): never {
  throw refused();
}

/** The same error for every failure: the caller must not learn which part was right. */
function refused(): RegistryError {
  return new RegistryError("unauthorized", "the credentials are not valid");
}
