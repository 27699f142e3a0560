/**
 * What a CI job may do, by what its issuer says of it: rules on claims, which grant permissions on repositories. A
 * repository may be named after a claim, as in `ci/{repository}/**`; no claim can make it more than it says. Pure.
 */
import { nameMatcher } from "../../domain/patterns.js";
import { isRepositoryName } from "../../domain/repository-name.js";
import type { Grants, Permission } from "../identity.js";
import { type PatternGrant, patternGrants } from "../pattern-grants.js";

export type Claims = Readonly<Record<string, string>>;

export interface WorkloadRule {
  /** Globs by name of claim: of each, one has to match. `*` stops at a slash, `**` does not. */
  readonly claims: Readonly<Record<string, readonly string[]>>;
  /** Globs, with `{claim}` as components of their paths. */
  readonly repositories: readonly string[];
  readonly permissions: readonly Permission[];
}

/**
 * Claims that say whose job it is. An issuer such as GitHub signs for everybody in the world: a rule without one of
 * these would let them all in.
 */
export const pinningClaims = [
  ...["sub", "repository", "repository_id", "repository_owner", "repository_owner_id"],
  ...["project_path", "project_id", "namespace_path", "namespace_id"],
] as const;

/** Names of which the issuers themselves do not tell upper case from lower case. */
const caseless = new Set(["repository", "repository_owner", "project_path", "namespace_path"]);

/** A placeholder is a whole component: between others' letters one could not tell where the claim ends. */
const placeholder = /(?<=^|\/)\{([a-z][a-z0-9_]*)\}(?=\/|$)/g;

export function claimsIn(repository: string): string[] {
  return Array.from(repository.matchAll(placeholder), ([, name = ""]) => name);
}

/** Whether all braces of a pattern are placeholders or alternatives (`{a,b}`). */
export function isWellFormed(repository: string): boolean {
  return !/\{[^,}]*\}/.test(repository.replaceAll(placeholder, ""));
}

/** What all rules together grant; `undefined` where none does. */
export function grantsOf(rules: readonly WorkloadRule[], claims: Claims): Grants | undefined {
  const granted = rules.flatMap((rule) => grantOf(rule, claims) ?? []);
  return granted.length === 0 ? undefined : patternGrants(granted);
}

function grantOf(rule: WorkloadRule, claims: Claims): PatternGrant | undefined {
  const holds = Object.entries(rule.claims).every(([name, globs]) => {
    const value = claimOf(claims, name);
    return value !== undefined && nameMatcher(globs)(value);
  });
  const repositories = holds ? rule.repositories.flatMap((pattern) => fill(pattern, claims) ?? []) : [];
  if (repositories.length === 0) return undefined;
  return { repositories, permissions: rule.permissions };
}

/** The pattern with the claims in it, `undefined` where one of them is not there or could not be part of a name. */
function fill(pattern: string, claims: Claims): string | undefined {
  let fits = true;
  const filled = pattern.replaceAll(placeholder, (_, name: string) => {
    const value = claimOf(claims, name);
    const spelled = caseless.has(name) ? value?.toLowerCase() : value;
    // A name has no character that means something in a glob, and no `..`; that of a branch `Main` is not `main`.
    if (spelled !== undefined && isRepositoryName(spelled)) return spelled;
    fits = false;
    return "";
  });
  return fits ? filled : undefined;
}

function claimOf(claims: Claims, name: string): string | undefined {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}
