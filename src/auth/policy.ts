/** Who may do what in which repositories: grants by rule, and nothing that no rule grants. Pure. */
import type { RepositoryName } from "../domain/repository-name.js";
import type { Identity, Permission } from "./identity.js";

export interface Policy {
  /** Whether everybody may do everything: a server without authentication. */
  readonly open: boolean;
  /** Whether there is anything that may be pulled without a login. */
  readonly letsAnonymousPull: boolean;
  /** Whether the caller may read the metrics, which tell of all repositories together. */
  allowsMetrics(identity: Identity): boolean;
  allows(identity: Identity, permission: Permission, name: RepositoryName): boolean;
}

/** For a server without authentication, which is why such a one listens on loopback only. */
export const openPolicy: Policy = {
  open: true,
  letsAnonymousPull: true,
  allowsMetrics: () => true,
  allows: () => true,
};

/** Where there are logins and no policy file: who has logged in may do everything, others nothing. */
export const loginPolicy: Policy = {
  open: false,
  letsAnonymousPull: false,
  allowsMetrics: ({ kind }) => kind !== "anonymous",
  allows: ({ kind }) => kind !== "anonymous",
};

/** Whom a rule is for. */
export interface Who {
  /** Everybody, logged in or not. */
  readonly anonymous: boolean;
  /** Everybody who has logged in, but no CI job: its issuer may sign for everybody in the world. */
  readonly authenticated: boolean;
  /** Names of users and of client certificates. */
  readonly users: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
  /** A CI job of which all of these hold. */
  readonly claims: readonly { readonly name: string; matches(value: string): boolean }[];
}

export interface Rule {
  readonly who: Who;
  readonly permissions: ReadonlySet<Permission>;
  matches(name: RepositoryName): boolean;
}

/**
 * The policy of `rules`. `groups` are those that the policy itself makes, of users by name; `metrics`, who may read
 * those: nobody where that is not said.
 */
export function rulesPolicy(
  rules: readonly Rule[],
  groups: ReadonlyMap<string, ReadonlySet<string>>,
  metrics?: Who,
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
    allows: (identity, permission, name) =>
      // The name comes from the caller: it is matched last, and only by rules for this caller.
      rules.some(
        (rule) => rule.permissions.has(permission) && isFor(rule.who, identity) && rule.matches(name),
      ),
  };
}

function holds({ name, matches }: Who["claims"][number], { claims }: Identity): boolean {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  return value !== undefined && matches(value);
}
