/**
 * Users with passwords, as an htpasswd file has them. Who is not in it any more, or has another password there,
 * is out at once, whatever is remembered of them. A user that is not there takes as long as one that is, so that
 * nobody can find out who is.
 */
import { createHash } from "node:crypto";
import { TooManyRequests } from "../domain/errors.js";
import { HitCounts } from "../lib/hit-counts.js";
import type { CheckPassword } from "./bcrypt-pool.js";
import type { BcryptHash } from "./htpasswd.js";
import type { Attempt, Identity, PasswordVerifier } from "./identity.js";
import { type VerdictKey, Verdicts } from "./verdicts.js";

interface Entry {
  readonly hash: BcryptHash;
  readonly identity: Identity;
}

/** Of one user at a time, so that who guesses at one user's password leaves room for the others. */
const checksOfOneUserMax = 8;

/** Eight checks take half a second. */
const retrySeconds = 1;

export class HtpasswdUsers implements PasswordVerifier {
  #entries: ReadonlyMap<string, Entry> = new Map();
  /** Hashes to check passwords of unknown users against. */
  #decoys: readonly BcryptHash[] = [];
  readonly lookups = new HitCounts();
  readonly #verdicts = new Verdicts(this.lookups);
  /** Checks at work, shared by all who come with the same user and password. */
  readonly #running = new Map<VerdictKey, Promise<Identity | undefined>>();
  readonly #checksOf = new Map<string, number>();

  constructor(private readonly checkPassword: CheckPassword) {}

  /** Takes these users in place of all that were there. */
  replace(users: ReadonlyMap<string, BcryptHash>): void {
    this.#entries = new Map([...users].map(([user, hash]) => [user, entryOf(user, hash)]));
    this.#decoys = [...users.values()];
  }

  verify(
    user: string,
    password: string,
    attempt?: Attempt,
  ): Identity | undefined | Promise<Identity | undefined> {
    const entry = this.#entries.get(user);
    const key = this.#verdicts.keyOf(user, password, entry?.identity.version ?? "");
    const right = this.#verdicts.get(key);
    if (right !== undefined) return right ? entry?.identity : undefined;
    let running = this.#running.get(key);
    if (running === undefined) {
      attempt?.begin();
      running = this.#check(key, user, password, entry, attempt).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }

  isCurrent({ kind, name, version }: Identity): boolean | undefined {
    return kind === "user" ? this.#entries.get(name)?.identity.version === version : undefined;
  }

  async #check(
    key: VerdictKey,
    user: string,
    password: string,
    entry: Entry | undefined,
    attempt: Attempt | undefined,
  ): Promise<Identity | undefined> {
    const hash = entry?.hash ?? this.#decoyFor(user);
    // Without any user there is none to find out.
    if (hash === undefined) return undefined;
    const matches = await this.#oneOfFew(user, () => this.checkPassword(password, hash));
    const right = matches && entry !== undefined;
    this.#verdicts.set(key, right);
    // The file may have changed meanwhile.
    if (this.#entries.get(user)?.identity.version !== entry?.identity.version)
      return this.verify(user, password);
    if (!right) attempt?.fail();
    return right ? entry.identity : undefined;
  }

  /** Always the same one for a user, and as costly as those of the file are. */
  #decoyFor(user: string): BcryptHash | undefined {
    const chosen = Buffer.from(this.#verdicts.keyOf(user, "", ""), "base64url").readUInt32LE();
    return this.#decoys[chosen % this.#decoys.length];
  }

  async #oneOfFew<T>(user: string, work: () => Promise<T>): Promise<T> {
    const checks = this.#checksOf.get(user) ?? 0;
    if (checks >= checksOfOneUserMax)
      throw new TooManyRequests("logins", "too many passwords of this user are being checked", retrySeconds);
    this.#checksOf.set(user, checks + 1);
    try {
      return await work();
    } finally {
      const left = (this.#checksOf.get(user) ?? 1) - 1;
      if (left === 0) this.#checksOf.delete(user);
      else this.#checksOf.set(user, left);
    }
  }
}

function entryOf(user: string, hash: BcryptHash): Entry {
  return {
    hash,
    identity: {
      kind: "user",
      subject: `user:${user}`,
      name: user,
      groups: [],
      version: versionOf(user, hash),
      claims: {},
      limit: undefined,
      limitDecides: false,
      token: undefined,
    },
  };
}

/** 96 bits: nobody makes another entry of the same version, and the hash's own salt keeps it from being guessed back. */
function versionOf(user: string, hash: BcryptHash): string {
  return createHash("sha256").update(`${user}:${hash}`).digest("base64url").slice(0, 16);
}
