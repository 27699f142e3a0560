/**
 * The access policy file: who may do what in which repositories. YAML or JSON; patterns are globs. Access that no rule
 * grants is denied.
 */
import { z } from "zod";
import { type Policy, type Rule, rulesPolicy, type Who } from "../auth/policy.js";
import { pinningClaims } from "../auth/workload/rules.js";
import { nameMatcher } from "../domain/patterns.js";
import { permissions as allPermissions, withIncluded } from "../domain/permission.js";
import { globs, oneOrMore } from "./globs.js";
import { parsePolicyFile } from "./policy-file.js";

const permissions = z.enum(allPermissions);
const names = oneOrMore(z.string().min(1));

/** People and machines with names of their own. */
const named = {
  authenticated: z.boolean().prefault(false),
  users: names.default([]),
  groups: names.default([]),
};

/** The logged-in users to whom a rule applies. */
const who = {
  ...named,
  claims: z
    .record(z.string().min(1), globs)
    .refine(
      (claims) => pinningClaims.some((name) => Object.hasOwn(claims, name)),
      `needs one of ${pinningClaims.join(", ")}: without one, the rule would admit the jobs of all the issuer's customers`,
    )
    .optional(),
};

type LoggedIn = z.output<z.ZodObject<typeof named>> & Pick<z.output<z.ZodObject<typeof who>>, "claims">;

function isForSomebody({ authenticated, users, groups, claims }: LoggedIn): boolean {
  return authenticated || users.length + groups.length > 0 || claims !== undefined;
}

const rule = z
  .strictObject({
    repositories: globs,
    anonymous: z.boolean().prefault(false),
    ...who,
    allow: oneOrMore(permissions),
  })
  .refine(
    (rule) => rule.anonymous || isForSomebody(rule),
    "needs anonymous, authenticated, users, groups or claims: without them it applies to nobody",
  )
  .refine(
    ({ anonymous, allow }) => !anonymous || allow.every((permission) => permission === "pull"),
    "grants anonymous users more than pull",
  );

const schema = z.strictObject({
  groups: z.record(z.string().min(1), z.array(z.string().min(1))).prefault({}),
  rules: z.array(rule),
  robots: z
    .strictObject(named)
    .refine(isForSomebody, "needs authenticated, users or groups: without them it applies to nobody")
    .optional(),
  metrics: z
    .strictObject(who)
    .refine(isForSomebody, "needs authenticated, users, groups or claims: without them it applies to nobody")
    .optional(),
});

/** Parses the policy file at `path`. Throws a `ConfigError` that names the first errors. */
export function parseAccessPolicy(text: string, path: string): Policy {
  const parsed = parsePolicyFile(schema, text, path);
  const { rules, metrics, robots } = parsed;
  const groups = new Map(Object.entries(parsed.groups).map(([group, users]) => [group, new Set(users)]));
  const loggedIn = (who: LoggedIn | undefined) => who && whoOf({ anonymous: false, ...who });
  return rulesPolicy(rules.map(ruleOf), groups, { metrics: loggedIn(metrics), robots: loggedIn(robots) });
}

function ruleOf({ repositories, allow, ...who }: z.output<typeof rule>): Rule {
  return { matches: nameMatcher(repositories), permissions: withIncluded(allow), who: whoOf(who) };
}

function whoOf({ anonymous, authenticated, users, groups, claims }: LoggedIn & { anonymous: boolean }): Who {
  return {
    anonymous,
    authenticated,
    users: new Set(users),
    groups: new Set(groups),
    claims: Object.entries(claims ?? {}).map(([name, patterns]) => ({
      name,
      matches: nameMatcher(patterns),
    })),
  };
}
