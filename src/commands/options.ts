/** Checks command options, in the process that reads them and again in the server that receives them. */
import type { z } from "zod";
import { UsageError } from "./command.js";

/** Throws `UsageError`. */
export function parseOptions<T>(schema: z.ZodType<T>, options: unknown): T {
  const parsed = schema.safeParse(options);
  if (parsed.success) return parsed.data;
  throw new UsageError(
    parsed.error.issues.map(({ path: [name = ""], message }) => `--${String(name)}: ${message}`).join("\n"),
  );
}
