/**
 * What may be granted on a repository. `push` includes `create-tag`, which stores blobs, manifests and new tags
 * but moves no tag that is there; `admin` includes all others.
 */
export const permissions = ["pull", "push", "create-tag", "delete", "admin"] as const;

export type Permission = (typeof permissions)[number];

/** Which permissions each brings with it. */
const included: Readonly<Record<Permission, readonly Permission[]>> = {
  pull: ["pull"],
  "create-tag": ["create-tag"],
  push: ["push", "create-tag"],
  delete: ["delete"],
  admin: permissions,
};

/** The permissions with all that they bring with them. */
export function withIncluded(some: Iterable<Permission>): ReadonlySet<Permission> {
  return new Set(Array.from(some).flatMap((permission) => included[permission]));
}

export function isPermission(text: string): text is Permission {
  return permissions.some((permission) => permission === text);
}
