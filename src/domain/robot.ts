/** Robot accounts: logins for programs, each with its own key, scope and usually an expiry. */
import type { Permission } from "./permission.js";

declare const nameBrand: unique symbol;
export type RobotName = string & { readonly [nameBrand]: true };

/** The grammar of a repository name's component, with single separators: no character needs quoting in a shell or URL. */
const nameGrammar = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/;

const nameCharactersMax = 64;

/**
 * Prefix of a robot's user name. Not `robot$name` as in other registries: shells and compose files take that for a variable.
 */
const userPrefix = "robot-";

/** Names may not start like user names, so that the two cannot be confused. */
export function isRobotName(text: string): text is RobotName {
  return text.length <= nameCharactersMax && nameGrammar.test(text) && !text.startsWith(userPrefix);
}

export function userNameOf(name: RobotName): string {
  return `${userPrefix}${name}`;
}

/** Returns the name of the robot that logs in as `user`, or `undefined` if it is not a robot's user name. */
export function robotOfUser(user: string): RobotName | undefined {
  const name = user.slice(userPrefix.length);
  return user.startsWith(userPrefix) && isRobotName(name) ? name : undefined;
}

/** Permissions on the repositories that match one of the globs. */
export interface RobotScope {
  readonly repositories: readonly string[];
  readonly permissions: readonly Permission[];
}

/** The stored data of a robot, without its key. */
export interface Robot {
  readonly name: RobotName;
  /** SHA-256 of the key, in hexadecimal. */
  readonly keyHash: string;
  readonly scopes: readonly RobotScope[];
  /** All times are milliseconds since the epoch. */
  readonly createdAt: number;
  /** Absent if it does not expire. */
  readonly expiresAt?: number | undefined;
  /** Accurate to an hour. */
  readonly usedAt?: number | undefined;
}
