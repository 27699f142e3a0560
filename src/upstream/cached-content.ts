/** Lists what is cached, and counts its bytes: each content once, and none that a pushed repository shares. */
import { setImmediate } from "node:timers/promises";
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { batchesOf } from "../lib/batches.js";
import type { BlobUsage, Storage } from "../storage/storage.js";
import type { NamedUpstream, UpstreamNames } from "./names.js";

/** A manifest or blob, in all repositories of upstreams that have it. */
export interface CachedContent {
  readonly kind: "manifest" | "blob";
  readonly digest: Digest;
  readonly names: readonly RepositoryName[];
  /** What its removal from all these repositories frees: nothing if a pushed repository has it, too. */
  readonly bytes: number;
  /** Its size, once. */
  readonly size: number;
}

export interface Survey {
  readonly contents: readonly CachedContent[];
  readonly bytes: number;
  /** Number of manifests and blobs of each repository. */
  readonly objects: ReadonlyMap<RepositoryName, number>;
}

/** About 300 bytes each during a survey. The rest is neither counted nor evicted, until these are gone. */
const contentsMax = 1_000_000;

const looksAtOnce = 32;

interface Found {
  readonly kind: CachedContent["kind"];
  readonly digest: Digest;
  readonly names: RepositoryName[];
  readonly size: number;
  /** Whether repositories share the stored bytes, and whether there is another one that does. */
  readonly isContent: boolean;
  isShared: boolean;
}

/** Reads the store; rejects if that fails. `names` tells which repositories belong to the surveyed upstreams. */
export async function surveyCache(
  { repositories, manifests, blobs }: Pick<Storage, "repositories" | "manifests" | "blobs">,
  names: UpstreamNames<NamedUpstream>,
  signal?: AbortSignal,
): Promise<Survey> {
  const found = new Map<string, Found>();
  const objects = new Map<RepositoryName, number>();
  const pushed: RepositoryName[] = [];
  const note = (kind: Found["kind"], name: RepositoryName, digest: Digest, usage: BlobUsage) => {
    const key = `${kind} ${digest}`;
    const known = found.get(key);
    known?.names.push(name);
    if (known !== undefined) known.isShared ||= usage.shared;
    else if (found.size < contentsMax)
      found.set(key, {
        kind,
        digest,
        names: [name],
        size: usage.size,
        isContent: usage.isContent,
        isShared: usage.shared,
      });
  };
  for await (const name of repositories.all()) {
    signal?.throwIfAborted();
    if (objects.has(name)) continue;
    if (names.ownerOf(name) === undefined) {
      pushed.push(name);
      continue;
    }
    const digests = await manifests.list(name);
    await eachOf(digests, async (digest) => {
      for await (const size of manifests.sizes(name, [digest]))
        note("manifest", name, digest, { size, shared: false, isContent: false });
    });
    const listed = await blobs.list(name);
    await eachOf(listed, async (digest) => {
      for await (const usage of blobs.usages(name, [digest])) note("blob", name, digest, usage);
    });
    objects.set(name, digests.length + listed.length);
    // The event loop belongs to clients.
    await setImmediate();
  }
  const foreign = await sharedWith(pushed, blobs, found, signal);
  const contents = Array.from(found, ([key, one]): CachedContent => {
    const { kind, digest, names: owners, size, isContent } = one;
    const bytes = foreign.has(key) ? 0 : isContent ? size : size * owners.length;
    return { kind, digest, names: owners, size, bytes };
  });
  const bytes = contents.reduce((sum, content) => sum + content.bytes, 0);
  return { contents, bytes, objects };
}

/** One object by each call: the results do not name the digests, and a missing object has none. */
async function eachOf(digests: readonly Digest[], look: (digest: Digest) => Promise<void>): Promise<void> {
  for (const batch of batchesOf(digests, looksAtOnce)) await Promise.all(batch.map(look));
}

/** Returns the keys of what pushed repositories have as well. Lists these only if the counts leave that open. */
async function sharedWith(
  pushed: readonly RepositoryName[],
  blobs: Storage["blobs"],
  found: ReadonlyMap<string, Found>,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  const foreign = new Set<string>();
  const open = new Set<string>();
  for (const [key, { isShared, names }] of found) {
    if (!isShared) continue;
    if (names.length === 1) foreign.add(key);
    else open.add(key);
  }
  if (open.size === 0) return foreign;
  for (const name of pushed) {
    signal?.throwIfAborted();
    for (const digest of await blobs.list(name)) {
      const key = `blob ${digest}`;
      if (open.has(key)) foreign.add(key);
    }
  }
  return foreign;
}
