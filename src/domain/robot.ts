/** Robot accounts: logins for programs, each with a key of its own, a scope and mostly an end. */
import type { Permission } from "./permission.js";

declare const nameBrand: unique symbol;
export type RobotName = string & { readonly [nameBrand]: true };

/** Grammar of a component of a repository's name, with single separators: nothing that a shell or a URL quotes. */
const nameGrammar = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/;

const nameCharactersMax = 64;

/**
 * What a robot logs in as: this and its name. Not `robot$name`, as others have it: shells and compose files take
 * that for a variable.
 */
const userPrefix = "robot-";

/** No name begins as the user names do, so that the two are never taken for each other. */
export function isRobotName(text: string): text is RobotName {
  return text.length <= nameCharactersMax && nameGrammar.test(text) && !text.startsWith(userPrefix);
}

export function userNameOf(name: RobotName): string {
  return `${userPrefix}${name}`;
}

/** The robot that logs in as `user`; `undefined` where none can. */
export function robotOfUser(user: string): RobotName | undefined {
  const name = user.slice(userPrefix.length);
  return user.startsWith(userPrefix) && isRobotName(name) ? name : undefined;
}

/** Permissions on the repositories that one of the globs matches. */
export interface RobotScope {
  readonly repositories: readonly string[];
  readonly permissions: readonly Permission[];
}

/** What is kept of a robot; its key is not. */
export interface Robot {
  readonly name: RobotName;
  /** SHA-256 of the key, in hexadecimal. */
  readonly keyHash: string;
  readonly scopes: readonly RobotScope[];
  /** All times are milliseconds since the epoch. */
  readonly createdAt: number;
  /** Absent: never. */
  readonly expiresAt?: number | undefined;
  /** To within the hour. */
  readonly usedAt?: number | undefined;
}
