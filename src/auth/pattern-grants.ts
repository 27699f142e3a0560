/** Grants on the repositories that globs name: what a robot's key and a rule for CI jobs are made of. */
import { nameMatcher } from "../domain/patterns.js";
import { type Permission, withIncluded } from "../domain/permission.js";
import type { Grants } from "./identity.js";

export interface PatternGrant {
  readonly repositories: readonly string[];
  readonly permissions: readonly Permission[];
}

/** What all of them grant together. */
export function patternGrants(all: readonly PatternGrant[]): Grants {
  const grants = all.map(({ repositories, permissions }) => ({
    matches: nameMatcher(repositories),
    permissions: withIncluded(permissions),
  }));
  return {
    allows: (permission, name) =>
      grants.some((grant) => grant.permissions.has(permission) && grant.matches(name)),
  };
}
