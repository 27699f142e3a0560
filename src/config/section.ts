/** A group of keys that is always present, so that readers need no check. */
import { z } from "zod";

export const groupExpected = "expected a group of keys with values";

/**
 * Each key must have a default or be optional, so that the settings may omit the group. For an optional group with required
 * keys, use `group({ … }).optional()`.
 */
export function section<const T extends z.core.$ZodLooseShape>(keys: T) {
  const always = group(keys);
  return always.prefault({} as z.input<typeof always>);
}

/** Keys that belong together. An unknown key among them is an error. */
export function group<const T extends z.core.$ZodLooseShape>(keys: T) {
  return z.strictObject(keys, {
    error: ({ code }) => (code === "invalid_type" ? groupExpected : undefined),
  });
}
