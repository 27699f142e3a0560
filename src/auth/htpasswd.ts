/**
 * Parses an htpasswd file: one line `name:hash` per user, as Apache's htpasswd writes it and CNCF distribution reads it. Only
 * bcrypt is accepted; the other schemes are too fast to withstand guessing.
 */
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
  readonly refused: readonly RefusedEntry[];
}

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
 * Returns the users of a file. Throws, naming all invalid lines, if it is not a complete htpasswd file. A line with another
 * scheme is not invalid: that user is refused and the others can log in.
 */
export function parseHtpasswd(text: string): Htpasswd {
  const users = new Map<string, BcryptHash>();
  const refused: RefusedEntry[] = [];
  const wrong: string[] = [];
  const lineOf = new Map<string, number>();
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const number = index + 1;
    const colon = line.indexOf(":");
    const user = line.slice(0, colon);
    const hash = line.slice(colon + 1);
    if (colon < 1) {
      wrong.push(`line ${number}: expected name:hash`);
      continue;
    }
    const before = lineOf.get(user);
    if (before !== undefined) wrong.push(`line ${number}: ${user} is already in line ${before}`);
    else if (isBcryptHash(hash)) users.set(user, hash);
    else if (hash.startsWith("$2")) wrong.push(`line ${number}: ${user}: not a complete bcrypt hash`);
    else refused.push({ line: number, user, scheme: schemeOf(hash) });
    lineOf.set(user, number);
  }
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
  return { users, refused };
}

function isBcryptHash(text: string): text is BcryptHash {
  return bcrypt.test(text);
}

function schemeOf(hash: string): string {
  return otherSchemes.find(([start]) => hash.startsWith(start))?.[1] ?? "crypt or plain text";
}
