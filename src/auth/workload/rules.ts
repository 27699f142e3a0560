/**
 * What a CI job may do, by what its issuer says of it: rules on claims, which grant permissions on repositories. A
 * repository may be named after a claim, as in `ci/{repository}/**`; no claim can make it more than it says. Pure.
 */
import { nameMatcher, patternFault } from "../../domain/patterns.js";
import { type Permission, withIncluded } from "../../domain/permission.js";
import { isRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import { GlobError } from "../../lib/glob-syntax.js";
import type { Grants } from "../identity.js";
import { type CompiledGrant, grantsOfAll } from "../pattern-grants.js";

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

/** What is wrong with a pattern of repositories, placeholders aside; `undefined` for one that can be used. */
export function repositoriesFault(repository: string): string | undefined {
  const filled = repository.replaceAll(placeholder, "x");
  if (/\{[^,{}]*\}/.test(filled))
    return "expected {claim} as a whole component of a path, such as ci/{repository}/**";
  return patternFault(filled);
}

/** A rule whose patterns are compiled, but for those that take a claim. */
export interface CompiledRule {
  readonly claims: readonly { readonly name: string; matches(value: string): boolean }[];
  /** Absent where every pattern takes a claim. */
  readonly matches: ((name: RepositoryName) => boolean) | undefined;
  readonly templates: readonly string[];
  readonly permissions: ReadonlySet<Permission>;
}

/** Throws `GlobError`. */
export function compileRule({ claims, repositories, permissions }: WorkloadRule): CompiledRule {
  const fixed = repositories.filter((pattern) => claimsIn(pattern).length === 0);
  return {
    claims: Object.entries(claims).map(([name, patterns]) => ({ name, matches: nameMatcher(patterns) })),
    matches: fixed.length === 0 ? undefined : nameMatcher(fixed),
    templates: repositories.filter((pattern) => claimsIn(pattern).length > 0),
    permissions: withIncluded(permissions),
  };
}

/** What all rules together grant; `undefined` where none does. */
export function grantsOf(rules: readonly CompiledRule[], claims: Claims): Grants | undefined {
  const granted = rules.flatMap((rule) => grantOf(rule, claims) ?? []);
  return granted.length === 0 ? undefined : grantsOfAll(granted);
}

function grantOf(rule: CompiledRule, claims: Claims): CompiledGrant | undefined {
  const holds = rule.claims.every(({ name, matches }) => {
    const value = claimOf(claims, name);
    return value !== undefined && matches(value);
  });
  if (!holds) return undefined;
  const filled = rule.templates.flatMap((template) => matcherOf(fill(template, claims)) ?? []);
  const matchers = rule.matches === undefined ? filled : [rule.matches, ...filled];
  if (matchers.length === 0) return undefined;
  return { permissions: rule.permissions, matches: (name) => matchers.some((matches) => matches(name)) };
}

/** `undefined` where a claim is missing, and where claims make the pattern too long to be matched in bounded time. */
function matcherOf(pattern: string | undefined): ((name: RepositoryName) => boolean) | undefined {
  try {
    return pattern === undefined ? undefined : nameMatcher([pattern]);
  } catch (error) {
    if (error instanceof GlobError) return undefined;
    throw error;
  }
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
