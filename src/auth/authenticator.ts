/** Finds out who a caller is, from the `Authorization` header and the client certificate. */
import { RegistryError } from "../domain/errors.js";
import { anonymous, type Identity, type PasswordVerifier, type TokenVerifier } from "./identity.js";

export interface AuthenticatorOptions {
  /** Asked one after the other, until one knows the name and password. */
  readonly passwords: readonly PasswordVerifier[];
  readonly tokens: readonly TokenVerifier[];
}

/** What is longer is no credential that anybody here has made; the header section as a whole has 16 KiB. */
const headerCharactersMax = 14 * 1024;

export class Authenticator {
  constructor(readonly options: AuthenticatorOptions) {}

  /**
   * The caller; `certified` is whom a client certificate names, and counts where there is no other credential.
   * Synchronous where the credentials were verified lately. Throws or rejects with `unauthorized`.
   */
  identify(authorization: string, certified: Identity | undefined): Identity | Promise<Identity> {
    if (authorization === "") return certified ?? anonymous;
    const space = authorization.indexOf(" ");
    const scheme = authorization.slice(0, space).toLowerCase();
    const value = authorization.slice(space + 1).trim();
    if (authorization.length > headerCharactersMax) throw refused();
    if (scheme === "basic") return this.#byPassword(value);
    if (scheme === "bearer") return this.#byToken(value);
    throw refused();
  }

  #byPassword(encoded: string): Identity | Promise<Identity> {
    const text = Buffer.from(encoded, "base64").toString("utf8");
    const colon = text.indexOf(":");
    if (colon < 1) throw refused();
    const user = text.slice(0, colon);
    const password = text.slice(colon + 1);
    return firstKnown(this.options.passwords, (verifier) => verifier.verify(user, password));
  }

  #byToken(token: string): Identity | Promise<Identity> {
    const identity = firstKnown(this.options.tokens, (verifier) => verifier.verify(token));
    return identity instanceof Promise
      ? identity.then((found) => this.#current(found))
      : this.#current(identity);
  }

  /** A token outlives what it was given for: who has been revoked since is out. */
  #current(identity: Identity): Identity {
    for (const verifier of this.options.passwords) {
      if (verifier.isCurrent(identity) === false) throw refused();
    }
    return identity;
  }
}

/** The first that is known, without a promise as long as none of them needs one. */
function firstKnown<V>(
  verifiers: readonly V[],
  ask: (verifier: V) => Identity | undefined | Promise<Identity | undefined>,
  from = 0,
): Identity | Promise<Identity> {
  for (let index = from; index < verifiers.length; index++) {
    const verifier = verifiers[index];
    const answer = verifier && ask(verifier);
    if (answer instanceof Promise)
      return answer.then((identity) => identity ?? firstKnown(verifiers, ask, index + 1));
    if (answer !== undefined) return answer;
  }
  throw refused();
}

/** The same for whatever is wrong: which part of it was right is nobody's business. */
function refused(): RegistryError {
  return new RegistryError("unauthorized", "the credentials are not valid");
}
