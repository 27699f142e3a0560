/**
 * The part of an identity that tokens and sessions contain. What a robot or CI job may do is not among it: its limit is looked
 * up again at each use, so that a change takes effect.
 */
import { z } from "zod";
import { anonymous, type Grants, type Identity, type Subject } from "./identity.js";

/** Kinds of callers that this registry authenticates itself. */
const kinds = ["anonymous", "user", "robot", "workload", "certificate"] as const;

export const storedCaller = z.object({
  kind: z.enum(kinds),
  subject: z.string().transform((text) => text as Subject),
  name: z.string(),
  groups: z.array(z.string()),
  version: z.string(),
  claims: z.record(z.string(), z.string()),
  limited: z.boolean(),
  limitDecides: z.boolean(),
});

type StoredCaller = z.output<typeof storedCaller>;

/** Returns the current limit of a robot or CI job. */
export type LimitOf = (identity: Identity) => Grants | undefined;

export function storedOf({ kind, subject, name, groups, version, claims, limit, limitDecides }: Identity) {
  return { kind, subject, name, groups, version, claims, limited: limit !== undefined, limitDecides };
}

/** Returns `undefined` if the robot account or the rule for the CI job no longer exists. */
export function callerOf({ limited, ...caller }: StoredCaller, limitOf: LimitOf): Identity | undefined {
  const identity: Identity = { ...anonymous, ...caller };
  const limit = limitOf(identity);
  return limited && limit === undefined ? undefined : { ...identity, limit };
}
