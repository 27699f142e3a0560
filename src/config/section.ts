/** A group of keys that is always there: whoever reads the settings need not ask whether it is. */
import { z } from "zod";

/** For zod, whose own words are for programmers. */
export function groupExpected({ code }: { readonly code?: string | undefined }): string | undefined {
  return code === "invalid_type" ? "expected a group of keys with values" : undefined;
}

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
  return z.strictObject(keys, { error: groupExpected });
}
