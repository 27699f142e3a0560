/**
 * Rules that grant permissions to CI jobs by their claims. The pattern of a repository may contain a claim, as in
 * `ci/{repository}/**`; a claim's value cannot widen the pattern. Pure.
 */
import { nameMatcher, patternFault } from "../../domain/patterns.js";
import { type Permission, withIncluded } from "../../domain/permission.js";
import { isRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import { GlobError } from "../../lib/glob-syntax.js";
import type { Grants } from "../identity.js";
import { type CompiledGrant, grantsOfAll } from "../pattern-grants.js";

export type Claims = Readonly<Record<string, string>>;

export interface WorkloadRule {
  /** Globs by claim name; for each claim, one must match. `*` stops at a slash, `**` does not. */
  readonly claims: Readonly<Record<string, readonly string[]>>;
  /** Globs, with `{claim}` as path components. */
  readonly repositories: readonly string[];
  readonly permissions: readonly Permission[];
}

/**
 * Claims that identify the owner of a job. An issuer such as GitHub signs tokens for everyone in the world: a rule without
 * one of these claims would admit them all.
 */
export const pinningClaims = [
  ...["sub", "repository", "repository_id", "repository_owner", "repository_owner_id"],
  ...["project_path", "project_id", "namespace_path", "namespace_id"],
] as const;

/** Names that the issuers themselves treat as case-insensitive. */
const caseless = new Set(["repository", "repository_owner", "project_path", "namespace_path"]);

/** A placeholder must be a whole component: inside other text, the end of the claim would be ambiguous. */
const placeholder = /(?<=^|\/)\{([a-z][a-z0-9_]*)\}(?=\/|$)/g;

export function claimsIn(repository: string): string[] {
  return Array.from(repository.matchAll(placeholder), ([, name = ""]) => name);
}

/** Returns what is wrong with a repository pattern, ignoring placeholders, or `undefined` if it is valid. */
export function repositoriesFault(repository: string): string | undefined {
  const filled = repository.replaceAll(placeholder, "x");
  if (/\{[^,{}]*\}/.test(filled))
    return "expected {claim} as a whole component of a path, such as ci/{repository}/**";
  return patternFault(filled);
}

/** A rule with compiled patterns, except those with a placeholder. */
export interface CompiledRule {
  readonly claims: readonly { readonly name: string; matches(value: string): boolean }[];
  /** Absent if every pattern has a placeholder. */
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

/** Returns the union of all grants, or `undefined` if no rule matches. */
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

/** Returns `undefined` if a claim is missing, or if claims make the pattern too long to be matched in bounded time. */
function matcherOf(pattern: string | undefined): ((name: RepositoryName) => boolean) | undefined {
  try {
    return pattern === undefined ? undefined : nameMatcher([pattern]);
  } catch (error) {
    if (error instanceof GlobError) return undefined;
    throw error;
  }
}

/** Inserts the claims, or returns `undefined` if one is missing or cannot be part of a name. */
function fill(pattern: string, claims: Claims): string | undefined {
  let fits = true;
  const filled = pattern.replaceAll(placeholder, (_, name: string) => {
    const value = claimOf(claims, name);
    const spelled = caseless.has(name) ? value?.toLowerCase() : value;
    // A valid name has no glob characters and no `..`; a branch `Main` is not `main`.
    if (spelled !== undefined && isRepositoryName(spelled)) return spelled;
    fits = false;
    return "";
  });
  return fits ? filled : undefined;
}

function claimOf(claims: Claims, name: string): string | undefined {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}
