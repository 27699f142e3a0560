/**
 * The `access` claim of a token (distribution's "Bearer token specification"), and the intersection of requested and granted
 * actions.
 */
import { z } from "zod";
import { isPermission, permissions, withIncluded } from "../../domain/permission.js";
import { isRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import type { Permission, TokenAccess } from "../identity.js";
import type { RequestedScopes } from "./scope.js";

export interface Access {
  readonly repositories: ReadonlyMap<RepositoryName, ReadonlySet<Permission>>;
  readonly catalog: boolean;
}

/** One entry of the claim. */
export interface ResourceActions {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/**
 * "The intersection of the set of requested actions on each resource and the set of actions that the client has in fact been
 * granted." A caller who requests `push` but may only create new tags is granted `create-tag`.
 */
export function intersection(
  requested: RequestedScopes,
  may: (permission: Permission, name: RepositoryName) => boolean,
  mayList: boolean,
): Access {
  const repositories = new Map<RepositoryName, ReadonlySet<Permission>>();
  for (const [name, actions] of requested.repositories) {
    const asksFor = (permission: Permission) => actions.has(permission) || actions.has("*");
    const granted = new Set(permissions.filter((permission) => asksFor(permission) && may(permission, name)));
    if (asksFor("push") && !granted.has("push") && may("create-tag", name)) granted.add("create-tag");
    if (granted.size > 0) repositories.set(name, granted);
  }
  return { repositories, catalog: requested.catalog && mayList };
}

export function claimOf({ repositories, catalog }: Access): ResourceActions[] {
  const entries = Array.from(repositories, ([name, granted]) => ({
    type: "repository",
    name,
    actions: [...granted],
  }));
  return catalog ? [...entries, { type: "registry", name: "catalog", actions: ["*"] }] : entries;
}

/** Formats the access as the scope in the response. */
export function scopeOf(access: Access): string {
  return claimOf(access)
    .map(({ type, name, actions }) => `${type}:${name}:${actions.join()}`)
    .join(" ");
}

const claim = z.array(z.object({ type: z.string(), name: z.string(), actions: z.array(z.string()) }));

/** `repository` and `repository(plugin)` are "considered equal when authorizing a token". */
const repositoryType = /^repository(?:\([a-z0-9]+\))?$/;

/** The meaning of `*` on a repository: the actions of CNCF distribution, which defined it. */
const all: readonly Permission[] = ["pull", "push", "delete"];

/**
 * Parses the claim, or returns `undefined` if it is invalid. Ignores entries for resources that this registry does not have.
 */
export function parseAccess(value: unknown): Access | undefined {
  const parsed = claim.safeParse(value ?? []);
  if (!parsed.success) return undefined;
  const repositories = new Map<RepositoryName, Set<Permission>>();
  let catalog = false;
  for (const { type, name, actions } of parsed.data) {
    if (type === "registry" && name === "catalog") catalog ||= actions.includes("*");
    if (!repositoryType.test(type) || !isRepositoryName(name)) continue;
    const granted = repositories.get(name) ?? new Set();
    for (const action of actions) {
      if (isPermission(action)) granted.add(action);
      else if (action === "*") for (const permission of all) granted.add(permission);
    }
    repositories.set(name, granted);
  }
  return { repositories, catalog };
}

/** Returns the access in the form that the gate uses. */
export function tokenAccess({ repositories, catalog }: Access): TokenAccess {
  const granted = new Map(Array.from(repositories, ([name, some]) => [name, withIncluded(some)]));
  return {
    catalog,
    allows: (permission, name) => granted.get(name)?.has(permission) === true,
  };
}
