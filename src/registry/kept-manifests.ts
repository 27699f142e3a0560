/** Determines which manifests of a repository a collection keeps, and which objects each of them names. */
import { setImmediate } from "node:timers/promises";
import { type Digest, isDigest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { keptEntries, previousTargets } from "../domain/tag-history.js";
import { previousKept } from "../gc/retention.js";
import { describeError } from "../lib/describe-error.js";
import { readManifest } from "./read-manifest.js";
import type { Services } from "./services.js";

/** The properties of a manifest that the collector needs. */
export interface Named {
  readonly named: readonly Digest[];
  readonly subject: Digest | undefined;
}

export interface Keeping {
  /** Seconds for which a manifest without a tag is kept after its push; `undefined` for no limit. */
  readonly untaggedSeconds: number | undefined;
  /** Tags that a dry run treats as removed, because retention would have removed them. */
  readonly expired?: ReadonlyMap<RepositoryName, ReadonlySet<Tag>>;
}

/** Manifests read concurrently. */
const readsAtOnce = 8;

/** Returns what each manifest names, or why that is unknown: then nothing may count as unnamed. */
export async function readManifests(
  services: Services,
  name: RepositoryName,
  signal?: AbortSignal,
): Promise<Map<Digest, Named> | string> {
  const digests = await services.storage.manifests.list(name);
  const manifests = new Map<Digest, Named>();
  for (let start = 0; start < digests.length; start += readsAtOnce) {
    signal?.throwIfAborted();
    const problems = await Promise.all(
      digests.slice(start, start + readsAtOnce).map(async (digest) => {
        try {
          const found = await readManifest(services, name, digest);
          if (found === undefined) return undefined;
          if (typeof found === "string")
            return `manifest ${digest} cannot be read: its bytes do not have its digest, or are no manifest`;
          const { named, subject } = found.manifest;
          manifests.set(digest, { named, subject: subject?.digest });
          return undefined;
        } catch (error) {
          if (!(error instanceof RegistryError)) throw error;
          return `manifest ${digest} cannot be read: ${describeError(error)}`;
        }
      }),
    );
    const problem = problems.find((text) => text !== undefined);
    if (problem !== undefined) return problem;
  }
  return manifests;
}

export interface KeptManifests {
  readonly kept: ReadonlySet<Digest>;
  /** How many of them no tag needs: they are kept because some are new or leased. */
  readonly spared: number;
  readonly why?: string;
}

/**
 * Returns the manifests that have a tag, are new or leased, the manifests that these name, and all referrers of any of them.
 * Returns all manifests if a tag cannot be read, because it may point to any of them; `why` names the tag.
 */
export async function keptManifests(
  services: Services,
  name: RepositoryName,
  all: ReadonlyMap<Digest, Named>,
  { untaggedSeconds, expired }: Keeping,
): Promise<KeptManifests> {
  if (untaggedSeconds === undefined || all.size === 0) return { kept: new Set(all.keys()), spared: 0 };
  const tagged = await taggedDigests(services, name, expired?.get(name) ?? new Set());
  if (typeof tagged === "string") return { kept: new Set(all.keys()), spared: 0, why: tagged };
  const roots = tagged.kept;
  const needed = (await reachedFrom(roots, all)).size;
  const oldest = Date.now() - untaggedSeconds * 1000;
  const digests = [...all.keys()];
  let index = 0;
  for await (const pushedAt of services.storage.manifests.pushedAt(name, digests)) {
    const digest = digests[index++];
    if (digest === undefined) break;
    if (pushedAt === undefined || pushedAt > oldest) roots.push(digest);
  }
  for (const digest of await services.cluster.leases.leased(name, digests)) roots.push(digest);
  const kept = await reachedFrom(roots, all);
  return { kept, spared: kept.size - needed };
}

export interface NeededManifests {
  /** The manifests that the other tags need. */
  readonly kept: ReadonlySet<Digest>;
  /** The manifests that only the removed tags need. */
  readonly lost: ReadonlySet<Digest>;
}

/**
 * Returns which manifests need the tags `removed`, and which need the others: directly, as a part of an index, as a referrer, or
 * because a rule keeps what a tag pointed to. Returns a text if a tag cannot be read: it names the tag.
 */
export async function neededManifests(
  services: Services,
  name: RepositoryName,
  all: ReadonlyMap<Digest, Named>,
  removed: ReadonlySet<Tag>,
): Promise<NeededManifests | string> {
  if (all.size === 0) return { kept: new Set(), lost: new Set() };
  const tagged = await taggedDigests(services, name, removed);
  if (typeof tagged === "string") return tagged;
  const kept = await reachedFrom(tagged.kept, all);
  const lost = await reachedFrom(tagged.expired, all, kept);
  return { kept, lost };
}

/** Manifests passed in one turn of the event loop: a fraction of a millisecond. */
const manifestsPerTurn = 256;

/** Returns those that are not among `others`. Iterative, because clients can nest indexes and chain referrers to any depth. */
async function reachedFrom(
  roots: readonly Digest[],
  all: ReadonlyMap<Digest, Named>,
  others: ReadonlySet<Digest> = new Set(),
): Promise<Set<Digest>> {
  const referrers = referrersBySubject(all);
  const reached = new Set<Digest>();
  const waiting = [...roots];
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    const manifest = all.get(digest);
    if (manifest === undefined || reached.has(digest) || others.has(digest)) continue;
    reached.add(digest);
    if (reached.size % manifestsPerTurn === 0) await setImmediate();
    for (const next of [manifest.named, referrers.get(digest) ?? []].flat()) waiting.push(next);
  }
  return reached;
}

function referrersBySubject(all: ReadonlyMap<Digest, Named>): ReadonlyMap<Digest, readonly Digest[]> {
  const referrers = new Map<Digest, Digest[]>();
  for (const [digest, { subject }] of all) {
    if (subject === undefined) continue;
    const others = referrers.get(subject);
    if (others === undefined) referrers.set(subject, [digest]);
    else others.push(digest);
  }
  return referrers;
}

interface TaggedDigests {
  /** What the tags that stay point to, and what a rule keeps of what they pointed to. */
  readonly kept: Digest[];
  /** The same of the tags that are removed. */
  readonly expired: Digest[];
}

async function taggedDigests(
  services: Services,
  name: RepositoryName,
  expired: ReadonlySet<Tag>,
): Promise<TaggedDigests | string> {
  const { storage, rules } = services;
  const digests: TaggedDigests = { kept: [], expired: [] };
  /** Tags of rules that keep the content of earlier targets. */
  const moving = new Map<Tag, Digest>();
  for await (const { tag, digest } of storage.tags.targets(name)) {
    const isExpired = expired.has(tag);
    if (digest === undefined && isExpired) continue;
    if (digest === undefined) return `the tag ${tag} cannot be read: no manifest counts as untagged`;
    const own = isExpired ? digests.expired : digests.kept;
    own.push(digest);
    if (previousKept(rules.tagPolicy, name, tag) > 0) moving.set(tag, digest);
    // The referrers tag schema: a tag protects the manifest that it is about.
    const about = tag.replace("-", ":");
    if (isDigest(about)) own.push(about);
  }
  if (moving.size > 0)
    for await (const { tag, digest } of earlierTargets(services, name, moving))
      (expired.has(tag) ? digests.expired : digests.kept).push(digest);
  return digests;
}

/** Yields the targets that these tags had before and that a rule keeps. */
export async function* earlierTargets(
  { storage, rules }: Pick<Services, "storage" | "rules">,
  name: RepositoryName,
  tags: ReadonlyMap<Tag, Digest>,
): AsyncIterable<{ readonly tag: Tag; readonly digest: Digest }> {
  const { history, tagPolicy } = rules;
  if (history === undefined) return;
  const now = Date.now();
  for await (const { tag, entries } of storage.history.all(name)) {
    const current = tags.get(tag);
    if (current === undefined) continue;
    const kept = keptEntries(entries, history, now, false);
    for (const digest of previousTargets(kept, current, previousKept(tagPolicy, name, tag)))
      yield { tag, digest };
  }
}
