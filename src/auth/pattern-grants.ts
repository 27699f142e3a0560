/** Permissions on repositories by pattern, as robot keys and rules for CI jobs have them. */
import { nameMatcher } from "../domain/patterns.js";
import { type Permission, withIncluded } from "../domain/permission.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Grants } from "./identity.js";

export interface PatternGrant {
  readonly repositories: readonly string[];
  readonly permissions: readonly Permission[];
}

export interface CompiledGrant {
  readonly permissions: ReadonlySet<Permission>;
  matches(name: RepositoryName): boolean;
}

/** Throws `GlobError`. */
export function compileGrant({ repositories, permissions }: PatternGrant): CompiledGrant {
  return { matches: nameMatcher(repositories), permissions: withIncluded(permissions) };
}

/** Returns the union of all grants. */
export function grantsOfAll(grants: readonly CompiledGrant[]): Grants {
  return {
    allows: (permission, name) =>
      grants.some((grant) => grant.permissions.has(permission) && grant.matches(name)),
  };
}
