/** Patterns in settings and policy files: globs, one or a list of them. */
import { z } from "zod";

/** A value, or a list of one value or more. */
export function oneOrMore<T extends z.ZodType>(value: T) {
  return z.union([value.transform((one) => [one]), z.array(value).min(1)]) as z.ZodType<z.output<T>[]>;
}

export const globs = oneOrMore(z.string().min(1));
