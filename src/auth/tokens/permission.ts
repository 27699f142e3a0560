/** Which permissions include which. */
import type { Permission } from "../identity.js";

/** Whether who is granted these has this one. */
export function includes(granted: ReadonlySet<Permission>, permission: Permission): boolean {
  return (
    granted.has(permission) || granted.has("admin") || (permission === "create-tag" && granted.has("push"))
  );
}
