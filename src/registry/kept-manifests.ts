/** Which manifests of a repository a collection keeps, and what each of them names. */
import { type Digest, isDigest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { describeError } from "../lib/describe-error.js";
import { readManifest } from "./read-manifest.js";
import type { Services } from "./services.js";

/** What of a repository's manifests the collector goes by. */
export interface Named {
  readonly named: readonly Digest[];
  readonly subject: Digest | undefined;
}

export interface Keeping {
  /** Seconds that a manifest without a tag is kept after its push; `undefined` for ever. */
  readonly untaggedSeconds: number | undefined;
  /** Tags that a plan takes for removed, since they would be by then. */
  readonly expired?: ReadonlyMap<RepositoryName, ReadonlySet<Tag>>;
}

/** Manifests read at a time. */
const readsAtOnce = 8;

/** What each manifest names, or why that cannot be told: then nothing may be taken for unnamed. */
export async function readManifests(
  services: Services,
  name: RepositoryName,
): Promise<Map<Digest, Named> | string> {
  const digests = await services.storage.manifests.list(name);
  const manifests = new Map<Digest, Named>();
  for (let start = 0; start < digests.length; start += readsAtOnce) {
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

/**
 * Manifests that have a tag, are new, or somebody was told of; those that these name; and what refers to
 * any of them. Returns all manifests if a tag cannot be read, since it may point to any of them; `why` names the tag.
 */
export async function keptManifests(
  services: Services,
  name: RepositoryName,
  all: ReadonlyMap<Digest, Named>,
  { untaggedSeconds, expired }: Keeping,
): Promise<{ readonly kept: ReadonlySet<Digest>; readonly why?: string }> {
  if (untaggedSeconds === undefined || all.size === 0) return { kept: new Set(all.keys()) };
  const roots = await taggedDigests(services, name, expired?.get(name));
  if (typeof roots === "string") return { kept: new Set(all.keys()), why: roots };
  const oldest = Date.now() - untaggedSeconds * 1000;
  const digests = [...all.keys()];
  let index = 0;
  for await (const pushedAt of services.storage.manifests.pushedAt(name, digests)) {
    const digest = digests[index++];
    if (digest === undefined) break;
    if (pushedAt === undefined || pushedAt > oldest) roots.push(digest);
  }
  for (const digest of await services.cluster.leases.leased(name, digests)) roots.push(digest);
  return { kept: reachedFrom(roots, all) };
}

/** Not by recursion: an index may be nested, and a chain of referrers be long, as somebody likes. */
function reachedFrom(roots: readonly Digest[], all: ReadonlyMap<Digest, Named>): Set<Digest> {
  const referrers = referrersBySubject(all);
  const reached = new Set<Digest>();
  const waiting = [...roots];
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    const manifest = all.get(digest);
    if (manifest === undefined || reached.has(digest)) continue;
    reached.add(digest);
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

async function taggedDigests(
  { storage }: Services,
  name: RepositoryName,
  expired?: ReadonlySet<Tag>,
): Promise<Digest[] | string> {
  const digests: Digest[] = [];
  for await (const { tag, digest } of storage.tags.targets(name)) {
    if (expired?.has(tag)) continue;
    if (digest === undefined) return `the tag ${tag} cannot be read: no manifest is taken for untagged`;
    digests.push(digest);
    // The referrers tag schema: while the tag is there, so is what it is about.
    const about = tag.replace("-", ":");
    if (isDigest(about)) digests.push(about);
  }
  return digests;
}
