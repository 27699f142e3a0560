/**
 * Permissions on a repository. `push` includes `create-tag`, which may store blobs, manifests and new tags but not move
 * existing tags; `admin` includes all others.
 */
export const permissions = ["pull", "push", "create-tag", "delete", "admin"] as const;

export type Permission = (typeof permissions)[number];

/** Permissions that each one includes. */
const included: Readonly<Record<Permission, readonly Permission[]>> = {
  pull: ["pull"],
  "create-tag": ["create-tag"],
  push: ["push", "create-tag"],
  delete: ["delete"],
  admin: permissions,
};

/** Returns the permissions with all that they include. */
export function withIncluded(some: Iterable<Permission>): ReadonlySet<Permission> {
  return new Set(Array.from(some).flatMap((permission) => included[permission]));
}

export function isPermission(text: string): text is Permission {
  return permissions.some((permission) => permission === text);
}
