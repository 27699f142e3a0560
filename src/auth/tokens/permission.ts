/** Permissions as words, and which include which. */
import type { Permission } from "../identity.js";

export const permissions: readonly Permission[] = ["pull", "push", "create-tag", "delete", "admin"];

export function isPermission(text: string): text is Permission {
  return permissions.some((permission) => permission === text);
}

/** Whether who is granted these has this one. */
export function includes(granted: ReadonlySet<Permission>, permission: Permission): boolean {
  return (
    granted.has(permission) || granted.has("admin") || (permission === "create-tag" && granted.has("push"))
  );
}
