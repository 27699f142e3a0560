/** Finds out who a caller is, from the `Authorization` header and the client certificate. */
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
  /** Asked one after the other, until one knows the name and password. */
  readonly passwords: readonly PasswordVerifier[];
  readonly tokens: readonly TokenVerifier[];
  /** Wrong passwords and forged tokens that may be tried from one network, see `networkOf`. */
  readonly failures: Omit<BucketOptions, "keysMax">;
}

/** What a caller comes with. */
export interface Credentials {
  /** The `Authorization` header, `""` where there is none. */
  readonly authorization: string;
  /** Whom a client certificate names, which counts where there is no other credential. */
  readonly certified: Identity | undefined;
  readonly address: string;
}

/** What is longer is no credential that anybody here has made; the header section as a whole has 16 KiB. */
const headerCharactersMax = 14 * 1024;

const addressesMax = 100_000;

/** Forged tokens that are remembered as counted. */
const forgedMax = 10_000;

/** Node decodes anything, up to where it makes sense: of two headers the first, which a proxy may not have looked at. */
const base64 = /^[\w+/-]+={0,2}$/;

/** No name and no password. */
const noCredentials = Buffer.from(":").toString("base64");

/** Whom a `PasswordVerifier` knows; the others there are no longer than their connection or their token is good. */
const kindsWithPassword: ReadonlySet<IdentityKind> = new Set(["user", "robot", "workload"]);

export class Authenticator {
  readonly #failures: TokenBuckets;
  /** Networks with the forged tokens that they have tried: one that is tried again and again counts once. */
  readonly #forged = new LRUCache<string, true>({ max: forgedMax });

  constructor(readonly options: AuthenticatorOptions) {
    this.#failures = new TokenBuckets({ ...options.failures, keysMax: addressesMax });
  }

  /**
   * The caller. Synchronous where the credentials were verified lately. Throws or rejects with `unauthorized`,
   * or `too-many-requests` where too many wrong ones were tried from that address.
   */
  identify({ authorization, certified, address }: Credentials): Identity | Promise<Identity> {
    if (authorization === "") return certified ?? anonymous;
    if (authorization.length > headerCharactersMax) throw refused();
    const space = authorization.indexOf(" ");
    const value = authorization.slice(space + 1).trim();
    switch (authorization.slice(0, space).toLowerCase()) {
      case "basic":
        // So podman and skopeo say that they have nothing to log in with.
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

  /** As `identify`. */
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

  /** A caller who comes with a token, for whoever verifies it. */
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
   * The identity of a token, which outlives what it was given for: throws `unauthorized` for who was revoked since,
   * and for who cannot log in any more since that way to log in is gone.
   */
  current(identity: Identity): Identity {
    const isKnown =
      !kindsWithPassword.has(identity.kind) ||
      this.options.passwords.some((verifier) => verifier.isCurrent(identity) === true);
    return isKnown ? identity : refuse();
  }
}

/** The first that is known, without a promise as long as none of them needs one. */
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

/** The same for whatever is wrong: which part of it was right is nobody's business. */
function refused(): RegistryError {
  return new RegistryError("unauthorized", "the credentials are not valid");
}
