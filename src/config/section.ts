/** A group of keys that is always there: whoever reads the settings need not ask whether it is. */
import { z } from "zod";

export const groupExpected = "expected a group of keys with values";

/**
 * Each key must have a default or be optional, so that the group can be left out. A group that is absent
 * unless somebody gives it, and then has keys that it needs, is `group({ … }).optional()`.
 */
export function section<const T extends z.core.$ZodLooseShape>(keys: T) {
  const always = group(keys);
  return always.prefault({} as z.input<typeof always>);
}

/** Keys that belong together; any other key among them is an error. */
export function group<const T extends z.core.$ZodLooseShape>(keys: T) {
  return z.strictObject(keys, {
    error: ({ code }) => (code === "invalid_type" ? groupExpected : undefined),
  });
}
