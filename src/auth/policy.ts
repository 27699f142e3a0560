/** Decides who may do what in which repositories: the union of all matching rules, and nothing else. Pure. */
import type { RepositoryName } from "../domain/repository-name.js";
import type { Identity, Permission } from "./identity.js";

export interface Policy {
  /** Whether everyone may do everything: a server without authentication. */
  readonly open: boolean;
  /** Whether anything may be pulled without a login. */
  readonly letsAnonymousPull: boolean;
  /** Whether the caller may read the metrics, which cover all repositories. */
  allowsMetrics(identity: Identity): boolean;
  /** Whether the caller may create and revoke robots, which may do anything. */
  allowsRobots(identity: Identity): boolean;
  /** Whether any part of it depends on the group. */
  namesGroup(group: string): boolean;
  allows(identity: Identity, permission: Permission, name: RepositoryName): boolean;
}

/** For a server without authentication, which therefore listens only on loopback by default. */
export const openPolicy: Policy = {
  open: true,
  letsAnonymousPull: true,
  allowsMetrics: () => true,
  allowsRobots: () => true,
  namesGroup: () => false,
  allows: () => true,
};

/** For logins without a policy file: callers who have logged in may do everything, others nothing. */
export const loginPolicy: Policy = {
  open: false,
  letsAnonymousPull: false,
  allowsMetrics: ({ kind }) => kind !== "anonymous",
  allowsRobots: ({ kind }) => kind === "user",
  namesGroup: () => false,
  allows: ({ kind }) => kind !== "anonymous",
};

/** The callers that a rule applies to. */
export interface Who {
  /** Everyone, logged in or not. */
  readonly anonymous: boolean;
  /** Everyone who has logged in, except CI jobs: their issuer may sign tokens for anyone in the world. */
  readonly authenticated: boolean;
  /** Names of users and of client certificates. */
  readonly users: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
  /** A CI job for which all of these claims match. */
  readonly claims: readonly { readonly name: string; matches(value: string): boolean }[];
}

export interface Rule {
  readonly who: Who;
  readonly permissions: ReadonlySet<Permission>;
  matches(name: RepositoryName): boolean;
}

/**
 * Builds a policy. `groups` are the groups defined in the policy, by user name. `metrics` are the callers who may read the
 * metrics, and `robots` those who may manage robots; nobody if it is absent.
 */
export function rulesPolicy(
  rules: readonly Rule[],
  groups: ReadonlyMap<string, ReadonlySet<string>>,
  { metrics, robots }: { readonly metrics?: Who | undefined; readonly robots?: Who | undefined } = {},
): Policy {
  const isFor = (
    { anonymous, authenticated, users, groups: named, claims }: Who,
    identity: Identity,
  ): boolean => {
    if (anonymous) return true;
    if (identity.kind === "anonymous") return false;
    if ((authenticated && identity.kind !== "workload") || identity.groups.some((group) => named.has(group)))
      return true;
    if (identity.kind === "user" || identity.kind === "certificate") {
      if (users.has(identity.name)) return true;
      for (const group of named) if (groups.get(group)?.has(identity.name) === true) return true;
    }
    return claims.length > 0 && claims.every((claim) => holds(claim, identity));
  };
  return {
    open: false,
    letsAnonymousPull: rules.some(({ who, permissions }) => who.anonymous && permissions.has("pull")),
    allowsMetrics: (identity) => metrics !== undefined && isFor(metrics, identity),
    namesGroup: (group) =>
      [metrics, robots, ...rules.map(({ who }) => who)].some((who) => who?.groups.has(group) === true),
    allowsRobots: (identity) => robots !== undefined && isFor(robots, identity),
    allows: (identity, permission, name) =>
      // The name comes from the caller, so it is matched last, and only against rules for this caller.
      rules.some(
        (rule) => rule.permissions.has(permission) && isFor(rule.who, identity) && rule.matches(name),
      ),
  };
}

function holds({ name, matches }: Who["claims"][number], { claims }: Identity): boolean {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  return value !== undefined && matches(value);
}
