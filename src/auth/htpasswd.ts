/**
 * The htpasswd file: a line for each user, `name:hash`, as Apache's program writes it and CNCF distribution
 * reads it. Only bcrypt is taken; the other schemes of the format are too fast to withstand guessing.
 */
declare const hashBrand: unique symbol;
/** A bcrypt hash with its version, cost and salt. */
export type BcryptHash = string & { readonly [hashBrand]: true };

/** A line whose user cannot log in, since their password is hashed in another way. */
export interface RefusedEntry {
  /** Counted from 1. */
  readonly line: number;
  readonly user: string;
  readonly scheme: string;
}

export interface Htpasswd {
  readonly users: ReadonlyMap<string, BcryptHash>;
  readonly refused: readonly RefusedEntry[];
}

/** Two digits of cost, 22 characters of salt, 31 of hash. bcrypt knows costs of 4 to 31. */
const bcrypt = /^\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/;

/** What the format calls its other schemes; what begins with none of these is `crypt` or plain text. */
const otherSchemes: readonly (readonly [start: string, scheme: string])[] = [
  ["$apr1$", "MD5"],
  ["{SHA}", "SHA-1"],
  ["{SSHA}", "salted SHA-1"],
  ["$1$", "MD5-crypt"],
  ["$5$", "SHA-256-crypt"],
  ["$6$", "SHA-512-crypt"],
];

/**
 * The users of a file. Throws, naming all lines that are wrong, where it is no htpasswd file or part of one. An
 * entry of another scheme is no such fault: its user is refused, and the others are let in.
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
    if (before !== undefined) wrong.push(`line ${number}: ${user} stands in line ${before} already`);
    else if (isBcryptHash(hash)) users.set(user, hash);
    else if (hash.startsWith("$2")) wrong.push(`line ${number}: ${user}: not a whole bcrypt hash`);
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
