/** Patterns in settings and policy files: one pattern or a list. */
import { z } from "zod";
import { patternFault } from "../domain/patterns.js";

/** A value, or a list of one value or more. */
export function oneOrMore<T extends z.ZodType>(value: T) {
  return z.union([value.transform((one) => [one]), z.array(value).min(1)]) as z.ZodType<z.output<T>[]>;
}

/** A valid pattern; otherwise the issue has the reason. */
export const glob = z.string().superRefine((pattern, context) => {
  const message = patternFault(pattern);
  if (message !== undefined) context.addIssue({ code: "custom", message });
});

export const globs = oneOrMore(glob);
