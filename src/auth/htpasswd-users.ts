/**
 * The users of an htpasswd file. A user who is removed, or whose password changes, is locked out at once, whatever is cached.
 * Checking an unknown user takes as long as checking a known one, so that response times do not reveal who exists.
 */
import { createHash } from "node:crypto";
import { TooManyRequests } from "../domain/errors.js";
import { Counts } from "../lib/counts.js";
import { HitCounts } from "../lib/hit-counts.js";
import { RunningWork } from "../lib/running-work.js";
import type { CheckPassword } from "./bcrypt-pool.js";
import type { BcryptHash } from "./htpasswd.js";
import type { Attempt, Identity, PasswordVerifier } from "./identity.js";
import { type VerdictKey, Verdicts } from "./verdicts.js";

interface Entry {
  readonly hash: BcryptHash;
  readonly identity: Identity;
}

/** Concurrent checks per user, so that guessing one user's password leaves room for the others. */
const checksOfOneUserMax = 8;

/** Eight checks take half a second. */
const retrySeconds = 1;

export class HtpasswdUsers implements PasswordVerifier {
  #users: ReadonlyMap<string, BcryptHash> = new Map();
  /** Entries of users that were asked for: hashing those of a large file at once would stall requests. */
  #entries = new Map<string, Entry>();
  /** Hashes against which the passwords of unknown users are checked. */
  #decoys: readonly BcryptHash[] = [];
  readonly lookups = new HitCounts();
  readonly #verdicts = new Verdicts(this.lookups);
  /** Running checks, shared by requests with the same user and password. */
  readonly #running = new RunningWork<VerdictKey, Identity | undefined>();
  readonly #checksOf = new Counts<string>();

  constructor(private readonly checkPassword: CheckPassword) {}

  /** Replaces all users. */
  replace(users: ReadonlyMap<string, BcryptHash>): void {
    this.#users = users;
    this.#entries = new Map();
    this.#decoys = [...users.values()];
  }

  #entryOf(user: string): Entry | undefined {
    const hash = this.#users.get(user);
    if (hash === undefined) return undefined;
    const entry = this.#entries.get(user) ?? entryOf(user, hash);
    this.#entries.set(user, entry);
    return entry;
  }

  verify(
    user: string,
    password: string,
    attempt?: Attempt,
  ): Identity | undefined | Promise<Identity | undefined> {
    const entry = this.#entryOf(user);
    const key = this.#verdicts.keyOf(user, password, entry?.identity.version ?? "");
    const right = this.#verdicts.get(key);
    if (right !== undefined) return right ? entry?.identity : undefined;
    return this.#running.join(key, () => {
      attempt?.begin();
      return this.#check(key, user, password, entry, attempt);
    });
  }

  isCurrent({ kind, name, version }: Identity): boolean | undefined {
    return kind === "user" ? this.#entryOf(name)?.identity.version === version : undefined;
  }

  async #check(
    key: VerdictKey,
    user: string,
    password: string,
    entry: Entry | undefined,
    attempt: Attempt | undefined,
  ): Promise<Identity | undefined> {
    const hash = entry?.hash ?? this.#decoyFor(user);
    // Without users there is nothing to reveal.
    if (hash === undefined) return undefined;
    const matches = await this.#oneOfFew(user, () => this.checkPassword(password, hash));
    const right = matches && entry !== undefined;
    this.#verdicts.set(key, right);
    // The file may have changed meanwhile.
    if (this.#entryOf(user)?.identity.version !== entry?.identity.version) return this.verify(user, password);
    if (!right) attempt?.fail();
    return right ? entry.identity : undefined;
  }

  /** Returns a dummy hash, always the same for a user name, as costly as those in the file. */
  #decoyFor(user: string): BcryptHash | undefined {
    const chosen = Buffer.from(this.#verdicts.keyOf(user, "", ""), "base64url").readUInt32LE();
    return this.#decoys[chosen % this.#decoys.length];
  }

  async #oneOfFew<T>(user: string, work: () => Promise<T>): Promise<T> {
    if (this.#checksOf.of(user) >= checksOfOneUserMax)
      throw new TooManyRequests("logins", "too many passwords of this user are being checked", retrySeconds);
    return this.#checksOf.during(user, work);
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

/** 96 bits: collisions are infeasible, and the salt of the hash keeps the entry from being guessed. */
function versionOf(user: string, hash: BcryptHash): string {
  return createHash("sha256").update(`${user}:${hash}`).digest("base64url").slice(0, 16);
}
