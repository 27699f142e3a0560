/**
 * What a token is for: the `access` claim of distribution's «Bearer token specification», as values, and how
 * much of what was asked for is granted.
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
 * «The intersection of the set of requested actions on each resource and the set of actions that the client has
 * in fact been granted.» Who asks for `push` and may make new tags only is granted `create-tag`.
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

/** As the scope that a client reads in the answer. */
export function scopeOf(access: Access): string {
  return claimOf(access)
    .map(({ type, name, actions }) => `${type}:${name}:${actions.join()}`)
    .join(" ");
}

const claim = z.array(z.object({ type: z.string(), name: z.string(), actions: z.array(z.string()) }));

/** `repository` and `repository(plugin)` are «considered equal when authorizing a token». */
const repositoryType = /^repository(?:\([a-z0-9]+\))?$/;

/** All that `*` stands for on a repository: what there is in CNCF distribution, whose word it is. */
const all: readonly Permission[] = ["pull", "push", "delete"];

/** What the claim says, `undefined` where it is none. What names nothing of this registry says nothing. */
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

/** As the gate asks for it. */
export function tokenAccess({ repositories, catalog }: Access): TokenAccess {
  const granted = new Map(Array.from(repositories, ([name, some]) => [name, withIncluded(some)]));
  return {
    catalog,
    allows: (permission, name) => granted.get(name)?.has(permission) === true,
  };
}
