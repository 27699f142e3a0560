/**
 * What may be granted on a repository. `push` includes `create-tag`, which stores blobs, manifests and new tags
 * but moves no tag that is there; `admin` includes all others.
 */
export const permissions = ["pull", "push", "create-tag", "delete", "admin"] as const;

export type Permission = (typeof permissions)[number];

export function isPermission(text: string): text is Permission {
  return permissions.some((permission) => permission === text);
}
