/** The policy file: which tags are immutable, and which are kept for how long. JSON; patterns are globs. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { nameMatcher } from "../domain/patterns.js";
import type { TagPattern, TagPolicy } from "../gc/retention.js";
import { ConfigError } from "./errors.js";
import { globs } from "./globs.js";
import { duration } from "./values.js";

const pattern = { repositories: globs.prefault("**"), tags: globs.prefault("*") };

const schema = z.strictObject({
  immutable: z.array(z.strictObject(pattern)).prefault([]),
  retention: z
    .array(
      z
        .strictObject({
          ...pattern,
          keepLast: z.number().int().min(0).optional(),
          keepPushedWithin: duration.optional(),
          keepPulledWithin: duration.optional(),
        })
        .refine(
          ({ keepLast, keepPushedWithin, keepPulledWithin }) =>
            keepLast !== undefined || keepPushedWithin !== undefined || keepPulledWithin !== undefined,
          "needs keepLast, keepPushedWithin or keepPulledWithin: else it would keep no tag at all",
        ),
    )
    .prefault([]),
});

export const noTagPolicy: TagPolicy = { immutable: [], retention: [] };

/** The policy in the file at `path`. Rejects with `ConfigError`, which names all that is wrong. */
export async function readTagPolicy(path: string): Promise<TagPolicy> {
  const parsed = schema.safeParse(await readJson(path));
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `${path}: ${issue.path.join(".")}: ${issue.message}`);
    throw new ConfigError(lines.join("\n"));
  }
  return {
    immutable: parsed.data.immutable.map(patternOf),
    retention: parsed.data.retention.map((rule) => ({
      pattern: patternOf(rule),
      title: `${rule.repositories.join(" ")} : ${rule.tags.join(" ")}`,
      keepLast: rule.keepLast,
      pushedWithinSeconds: rule.keepPushedWithin,
      pulledWithinSeconds: rule.keepPulledWithin,
    })),
  };
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new ConfigError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function patternOf({ repositories, tags }: { repositories: string[]; tags: string[] }): TagPattern {
  const isRepository = nameMatcher(repositories);
  const isTag = nameMatcher(tags);
  return { matches: (name, tag) => isTag(tag) && isRepository(name) };
}
