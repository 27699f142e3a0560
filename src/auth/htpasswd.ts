/**
 * Parses an htpasswd file: one line `name:hash` per user, as Apache's htpasswd writes it and CNCF distribution reads it. Only
 * bcrypt is accepted; the other schemes are too fast to withstand guessing.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { cutText } from "../lib/cut-text.js";

declare const hashBrand: unique symbol;
/** A bcrypt hash with its version, cost and salt. */
export type BcryptHash = string & { readonly [hashBrand]: true };

/** A user who cannot log in, because the password is hashed with another scheme. */
export interface RefusedEntry {
  /** Line number, from 1. */
  readonly line: number;
  readonly user: string;
  readonly scheme: string;
}

export interface Htpasswd {
  readonly users: ReadonlyMap<string, BcryptHash>;
  /** The first of the refused users. */
  readonly refused: readonly RefusedEntry[];
  /** Number of refused users that `refused` leaves out. */
  readonly refusedMore: number;
}

/** Refused users and invalid lines that are reported; the rest is counted. */
const reportedMax = 5;

/** Bound on memory. The largest file that is read has room for fewer users with bcrypt hashes. */
const usersMax = 300_000;

/** A longer name is cut in reports. */
const shownCharactersMax = 100;

/** Requests wait for at most about this long. */
const sliceMilliseconds = 5;
const linesPerLook = 64;

/** Two digits of cost (4 to 31), 22 characters of salt, 31 of hash. */
const bcrypt = /^\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/;

/** Prefixes of the other schemes. Anything else is `crypt` or plain text. */
const otherSchemes: readonly (readonly [start: string, scheme: string])[] = [
  ["$apr1$", "MD5"],
  ["{SHA}", "SHA-1"],
  ["{SSHA}", "salted SHA-1"],
  ["$1$", "MD5-crypt"],
  ["$5$", "SHA-256-crypt"],
  ["$6$", "SHA-512-crypt"],
];

/**
 * Returns the users of a file. Throws, naming the first invalid lines, if it is not a complete htpasswd file. A line with
 * another scheme is not invalid: that user is refused and the others can log in.
 */
export function parseHtpasswd(text: string): Htpasswd {
  const parser = new Parser(text);
  while (parser.takeLine());
  return parser.result();
}

/** Like `parseHtpasswd`, a few milliseconds at a time: 100,000 users take a quarter of a second. */
export async function parseHtpasswdInSlices(text: string): Promise<Htpasswd> {
  const parser = new Parser(text);
  for (let until = performance.now() + sliceMilliseconds; ; ) {
    for (let lines = 0; lines < linesPerLook; lines++) if (!parser.takeLine()) return parser.result();
    if (performance.now() < until) continue;
    await nextTurn();
    until = performance.now() + sliceMilliseconds;
  }
}

class Parser {
  readonly #users = new Map<string, BcryptHash>();
  readonly #refused: RefusedEntry[] = [];
  #refusedMore = 0;
  readonly #wrong: string[] = [];
  #wrongMore = 0;
  readonly #lineOf = new Map<string, number>();
  #number = 0;
  /** Offset of the next line, or -1 after the last. */
  #offset = 0;

  constructor(readonly text: string) {}

  /** Takes the next line. Returns whether there was one. */
  takeLine(): boolean {
    if (this.#offset === -1) return false;
    const end = this.text.indexOf("\n", this.#offset);
    const line = this.text.slice(this.#offset, end === -1 ? undefined : end).trim();
    this.#offset = end === -1 ? -1 : end + 1;
    this.#number++;
    if (line !== "" && !line.startsWith("#")) this.#take(line);
    return true;
  }

  #take(line: string): void {
    const colon = line.indexOf(":");
    if (colon < 1) {
      this.#isWrong("expected name:hash");
      return;
    }
    const user = line.slice(0, colon);
    const hash = line.slice(colon + 1);
    const before = this.#lineOf.get(user);
    if (before !== undefined)
      this.#isWrong(`${cutText(user, shownCharactersMax)} is already in line ${before}`);
    else if (this.#lineOf.size === usersMax) this.#isWrong(`there are more than ${usersMax} users`);
    else {
      this.#lineOf.set(user, this.#number);
      if (isBcryptHash(hash)) this.#users.set(user, hash);
      else if (hash.startsWith("$2"))
        this.#isWrong(`${cutText(user, shownCharactersMax)}: not a complete bcrypt hash`);
      else this.#refuse(user, hash);
    }
  }

  #isWrong(why: string): void {
    if (this.#wrong.length < reportedMax) this.#wrong.push(`line ${this.#number}: ${why}`);
    else this.#wrongMore++;
  }

  #refuse(user: string, hash: string): void {
    if (this.#refused.length === reportedMax) this.#refusedMore++;
    else
      this.#refused.push({
        line: this.#number,
        user: cutText(user, shownCharactersMax),
        scheme: schemeOf(hash),
      });
  }

  result(): Htpasswd {
    if (this.#wrongMore > 0) this.#wrong.push(`and ${this.#wrongMore} more invalid lines`);
    if (this.#wrong.length > 0) throw new Error(this.#wrong.join("\n"));
    return { users: this.#users, refused: this.#refused, refusedMore: this.#refusedMore };
  }
}

function isBcryptHash(text: string): text is BcryptHash {
  return bcrypt.test(text);
}

function schemeOf(hash: string): string {
  return otherSchemes.find(([start]) => hash.startsWith(start))?.[1] ?? "crypt or plain text";
}
