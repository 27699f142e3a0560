/** Reports on the cache for operators: totals by upstream, and the cached tags. */
import { setImmediate } from "node:timers/promises";
import type { Digest } from "../domain/digest.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { readUsableManifest } from "../registry/read-manifest.js";
import type { Services } from "../registry/services.js";
import type { CachedContent, Survey } from "./cached-content.js";
import type { NamedUpstream, UpstreamNames } from "./names.js";
import type { Upstream } from "./upstream.js";
import type { UseTimes } from "./use-times.js";

export interface UpstreamContent {
  readonly name: string;
  readonly prefix: string;
  readonly manifests: number;
  readonly blobs: number;
  /** Each content counts once. */
  readonly bytes: number;
  /** Of these, what pushed repositories or other upstreams share. */
  readonly sharedBytes: number;
}

/** Contents that are counted in one turn of the event loop, in about 1 ms. */
const contentsPerTurn = 2_000;

export async function contentOf<U extends NamedUpstream>(
  { contents }: Survey,
  names: UpstreamNames<U>,
): Promise<readonly (UpstreamContent & { readonly upstream: U })[]> {
  const found = names.upstreams.map((upstream) => ({
    ...{ upstream, name: upstream.name, prefix: upstream.prefix },
    ...{ manifests: 0, blobs: 0, bytes: 0, sharedBytes: 0 },
  }));
  const byUpstream = new Map(found.map((totals) => [totals.upstream, totals]));
  for (const [index, content] of contents.entries()) {
    if (index % contentsPerTurn === 0) await setImmediate();
    const own = new Map<U, number>();
    for (const name of content.names) {
      const upstream = names.ownerOf(name)?.upstream;
      if (upstream !== undefined) own.set(upstream, (own.get(upstream) ?? 0) + 1);
    }
    for (const [upstream, repositories] of own) {
      const totals = byUpstream.get(upstream);
      if (totals === undefined) continue;
      totals[content.kind === "manifest" ? "manifests" : "blobs"]++;
      totals.bytes += content.size;
      const isShared = content.bytes === 0 || repositories < content.names.length;
      if (isShared && content.kind === "blob") totals.sharedBytes += content.size;
    }
  }
  return found;
}

/** What one upstream and its cache have done since the start of the server. */
export interface Traffic {
  /** Requests of clients that were answered from the cache, or from a fetch that another request had begun. */
  readonly hits: number;
  readonly misses: number;
  readonly sentBytes: number;
  readonly fetchedBytes: number;
  /** Questions to the upstream. */
  readonly requests: number;
  readonly rateLimit: number | null;
  readonly rateRemaining: number | null;
  /** Whether it refused the configured user name and password when they were sent last. */
  readonly credentialsRefused: boolean;
  /** Whether the upstream is not asked at the moment: it failed recently, or none may be asked. */
  readonly paused: boolean;
}

export function trafficOf({ counts, budget, login, isPaused }: Upstream): Traffic {
  const { manifest, blob } = counts.results;
  const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);
  return {
    hits: sum(
      [manifest, blob].map(({ hit, revalidated, stale, joined }) => hit + revalidated + stale + joined),
    ),
    misses: manifest.miss + blob.miss,
    sentBytes: counts.sentBytes,
    fetchedBytes: counts.fetchedBytes,
    requests: sum(Object.values(counts.outcomes)),
    rateLimit: budget?.limit ?? null,
    rateRemaining: budget?.remaining ?? null,
    credentialsRefused: login === "refused",
    paused: isPaused,
  };
}

/** A tag, or the rest of a repository: manifests and blobs that were pulled by digest. */
export interface CachedImage {
  readonly upstream: string;
  readonly repository: RepositoryName;
  /** Absent for what no tag leads to. */
  readonly tag?: Tag;
  readonly digest?: Digest;
  /** Cached bytes of the manifest and of all that it leads to. */
  readonly bytes: number;
  /** Milliseconds since the epoch: the last use of any of it. */
  readonly lastUsedAt: number;
}

/** Yields the images of each repository in order. Reads the manifests. */
export async function* listCached(
  services: Services,
  survey: Survey,
  names: UpstreamNames<NamedUpstream>,
  uses: Pick<UseTimes, "lastOf">,
  signal: AbortSignal,
): AsyncGenerator<CachedImage> {
  const contents = new Map<RepositoryName, Map<Digest, CachedContent>>();
  for (const [index, content] of survey.contents.entries()) {
    if (index % contentsPerTurn === 0) await setImmediate();
    for (const name of content.names) {
      const known = contents.get(name) ?? new Map<Digest, CachedContent>();
      contents.set(name, known.set(content.digest, content));
    }
  }
  for (const repository of [...contents.keys()].sort()) {
    signal.throwIfAborted();
    const found = contents.get(repository) ?? new Map<Digest, CachedContent>();
    const upstream = names.ownerOf(repository)?.upstream.name ?? "";
    const sum = (digests: Iterable<Digest>) => {
      let [bytes, lastUsedAt] = [0, 0];
      for (const digest of digests) {
        bytes += found.get(digest)?.size ?? 0;
        lastUsedAt = Math.max(lastUsedAt, uses.lastOf(digest));
      }
      return { bytes, lastUsedAt };
    };
    const rest = new Set(found.keys());
    const hasManifests = [...found.values()].some(({ kind }) => kind === "manifest");
    const tags = hasManifests ? await tagsOf(services, repository) : new Map<Tag, Digest>();
    for (const tag of [...tags.keys()].sort()) {
      const digest = tags.get(tag);
      if (digest === undefined) continue;
      const reached = await reachedFrom(services, repository, digest, found);
      for (const one of reached) rest.delete(one);
      yield { upstream, repository, tag, digest, ...sum(reached) };
    }
    if (rest.size > 0) yield { upstream, repository, ...sum(rest) };
  }
}

/** Returns the cached objects that a manifest leads to, with itself. */
async function reachedFrom(
  services: Services,
  name: RepositoryName,
  root: Digest,
  found: ReadonlyMap<Digest, CachedContent>,
): Promise<ReadonlySet<Digest>> {
  const reached = new Set<Digest>();
  const waiting = [root];
  for (let digest = waiting.pop(); digest !== undefined; digest = waiting.pop()) {
    const content = found.get(digest);
    if (content === undefined || reached.has(digest)) continue;
    reached.add(digest);
    if (content.kind === "blob") continue;
    const read = await readUsableManifest(services, name, digest);
    waiting.push(...(read?.manifest.named ?? []));
  }
  return reached;
}

async function tagsOf({ storage }: Services, name: RepositoryName): Promise<ReadonlyMap<Tag, Digest>> {
  const tags = new Map<Tag, Digest>();
  for await (const { tag, digest } of storage.tags.targets(name))
    if (digest !== undefined) tags.set(tag, digest);
  return tags;
}
