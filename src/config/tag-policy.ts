/** The tag policy file: which tags are immutable and how long tags are kept. JSON or YAML; patterns are globs. */
import { z } from "zod";
import { nameMatcher } from "../domain/patterns.js";
import type { TagPattern, TagPolicy } from "../gc/retention.js";
import { asConfigError } from "./errors.js";
import { globs } from "./globs.js";
import { parsePolicyFile } from "./policy-file.js";
import { entriesMax } from "./tags.js";
import { readText } from "./text-file.js";
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
          keepPrevious: z.number().int().min(0).max(entriesMax).optional(),
        })
        .refine(
          ({ keepLast, keepPushedWithin, keepPulledWithin, keepPrevious }) =>
            [keepLast, keepPushedWithin, keepPulledWithin, keepPrevious].some((value) => value !== undefined),
          "needs keepLast, keepPushedWithin, keepPulledWithin or keepPrevious: without them it says nothing",
        ),
    )
    .prefault([]),
});

/** Reads the policy in the file at `path`. Rejects with a `ConfigError` that names the first errors. */
export async function readTagPolicy(path: string): Promise<TagPolicy> {
  return parseTagPolicy(await readText(path).catch(asConfigError("tags.policy")), path);
}

/** Parses the policy of the file at `path`. Throws `ConfigError`. */
export function parseTagPolicy(text: string, path: string): TagPolicy {
  const { immutable, retention } = parsePolicyFile(schema, text, path);
  return {
    immutable: immutable.map(patternOf),
    retention: retention.map((rule) => ({
      pattern: patternOf(rule),
      title: `${rule.repositories.join(" ")} : ${rule.tags.join(" ")}`,
      keepLast: rule.keepLast,
      pushedWithinSeconds: rule.keepPushedWithin,
      pulledWithinSeconds: rule.keepPulledWithin,
      keepPrevious: rule.keepPrevious,
    })),
  };
}

function patternOf({ repositories, tags }: { repositories: string[]; tags: string[] }): TagPattern {
  const isRepository = nameMatcher(repositories);
  const isTag = nameMatcher(tags);
  return { matches: (name, tag) => isTag(tag) && isRepository(name) };
}
