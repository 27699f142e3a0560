/** Carries out planned evictions, repository by repository. */
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "../registry/services.js";
import type { CachedContent } from "./cached-content.js";
import { evictFrom, removeIfEmpty } from "./evict-from.js";
import type { Eviction, UsedContent } from "./eviction-plan.js";

export interface CarryingOut {
  /** Number of manifests and blobs of each repository, as counted for the plan. */
  readonly objects: ReadonlyMap<RepositoryName, number>;
  /** Whether the content was not used since the plan was made, and is not held. */
  readonly isUnused: (content: UsedContent, name: RepositoryName) => boolean;
  readonly signal: AbortSignal | undefined;
}

/** Resolves with what went: what was used meanwhile stays. Ends early, after a batch, if `signal` is aborted. */
export async function evictAll(
  services: Services,
  planned: readonly Eviction[],
  { objects, isUnused, signal }: CarryingOut,
): Promise<{ readonly evicted: Eviction[]; readonly tags: number }> {
  const gone = new Map<UsedContent, Set<RepositoryName>>();
  let [tags, freedBytes] = [0, 0];
  for (const [name, contents] of byRepository(planned)) {
    if (signal?.aborted) break;
    const byDigest = new Map(contents.map((content) => [content.digest, content]));
    const digestsOf = (kind: CachedContent["kind"]) =>
      contents.filter((content) => content.kind === kind).map(({ digest }) => digest);
    const order = {
      manifests: digestsOf("manifest"),
      blobs: digestsOf("blob"),
      mayRemove: (digest: CachedContent["digest"]) => {
        const content = byDigest.get(digest);
        return content !== undefined && isUnused(content, name);
      },
    };
    const evicted = await evictFrom(services, name, order, signal);
    tags += evicted.tags;
    freedBytes += evicted.freedBytes;
    const removed = [...evicted.manifests, ...evicted.blobs];
    for (const digest of removed) {
      const content = byDigest.get(digest);
      if (content !== undefined) gone.set(content, (gone.get(content) ?? new Set()).add(name));
    }
    if (removed.length === objects.get(name)) await removeIfEmpty(services, name);
  }
  const evicted = planned.flatMap((eviction) => {
    const from = gone.get(eviction.content) ?? new Set();
    const names = eviction.names.filter((name) => from.has(name));
    const isWhole = names.length === eviction.content.names.length;
    return names.length === 0 ? [] : [{ ...eviction, names, freesBytes: isWhole ? eviction.freesBytes : 0 }];
  });
  const frees = evicted.some(({ content, freesBytes }) => content.kind === "blob" && freesBytes > 0);
  if (frees && freedBytes === 0) await removeOrphans(services, signal);
  return { evicted, tags };
}

function byRepository(planned: readonly Eviction[]): Map<RepositoryName, UsedContent[]> {
  const contents = new Map<RepositoryName, UsedContent[]>();
  for (const { content, names } of planned)
    for (const name of names) {
      const others = contents.get(name);
      if (others === undefined) contents.set(name, [content]);
      else others.push(content);
    }
  return contents;
}

/** For a storage that does not free content with its last repository. */
async function removeOrphans({ storage }: Services, signal: AbortSignal | undefined): Promise<void> {
  for await (const { digest, keptUntil } of storage.blobs.orphans()) {
    if (signal?.aborted) return;
    if (keptUntil !== undefined) continue;
    await storage.blobs.removeOrphan(digest);
  }
}
