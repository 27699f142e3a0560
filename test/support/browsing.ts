// What the tests of browsing share: repositories in a storage, callers who see some of them, and time without end.

import { Gate } from "../../src/auth/gate.js";
import { anonymous } from "../../src/auth/identity.js";
import { type Policy, rulesPolicy } from "../../src/auth/policy.js";
import { parseDigest } from "../../src/domain/digest.js";
import { nameMatcher } from "../../src/domain/patterns.js";
import { withIncluded } from "../../src/domain/permission.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { Deadline } from "../../src/lib/deadline.js";
import type { Storage } from "../../src/storage/storage.js";
import { digestOf, type Image, image } from "./content.js";

/** Long enough for everything on a busy machine. */
export function patience(): Deadline {
  return new Deadline(60_000);
}

/** Stores a manifest, as a push does, and points a tag to it at this time. */
export async function store(
  storage: Storage,
  repository: string,
  { tag, pushedAt, of = image() }: { tag?: string; pushedAt?: number; of?: Image } = {},
): Promise<void> {
  const name = parseRepositoryName(repository);
  const digest = parseDigest(digestOf(of.bytes));
  await storage.manifests.write(name, digest, of.bytes);
  if (tag !== undefined)
    await storage.tags.point(name, parseTag(tag), digest, { movable: true }, { pushedAt });
}

/** A policy by which `alice` may pull from the repositories that these patterns match. */
export function policyOf(...patterns: string[]): Policy {
  const matches = nameMatcher(patterns);
  const who = {
    anonymous: false,
    authenticated: false,
    users: new Set(["alice"]),
    groups: new Set<string>(),
    claims: [],
  };
  return rulesPolicy([{ who, permissions: withIncluded(["pull"]), matches }], new Map());
}

export const alice = { ...anonymous, kind: "user", subject: "user:alice", name: "alice" } as const;

/** What `alice` sees by this policy. */
export function catalogOf(policy: Policy) {
  return new Gate(policy).catalog(alice);
}
