/** What the deletion of tags will remove: at once, and later by garbage collection, by whose own rules it is found. */
import { setImmediate } from "node:timers/promises";
import type { DeletePermit } from "../auth/gate.js";
import type { Digest } from "../domain/digest.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { isImmutable } from "../gc/retention.js";
import { type Named, neededManifests, readManifests } from "./kept-manifests.js";
import type { Services } from "./services.js";

/** A tag that a deletion was asked for. */
export interface PreviewedTag {
  readonly tag: Tag;
  /** Absent if there is no such tag, or if it is damaged. */
  readonly digest: Digest | undefined;
  /** Why the tag will not be removed; absent if it will. */
  readonly refusal?: "immutable" | "missing" | "delete-disabled";
}

/** What happens to manifests that no tag needs any more. */
export type Fate =
  /** Garbage collection removes them when they are this old, and when no client may still need them. */
  | { readonly kind: "collected"; readonly afterSeconds: number }
  /** They stay, by the setting `gc.untagged`. */
  | { readonly kind: "kept" }
  /** The repository belongs to an upstream: its content is evicted when it is not used. */
  | { readonly kind: "evicted" }
  /** Garbage collection removes nothing from the repository, because something in it cannot be read. */
  | { readonly kind: "unreadable"; readonly why?: string };

/** Returns the fate of manifests that nothing keeps, if the repository can be read. `untaggedSeconds` is as in `PreviewOptions`. */
export function fateIn(
  { isMirrored }: Pick<Services, "isMirrored">,
  name: RepositoryName,
  untaggedSeconds: number | undefined,
): Fate {
  if (isMirrored(name)) return { kind: "evicted" };
  return untaggedSeconds === undefined
    ? { kind: "kept" }
    : { kind: "collected", afterSeconds: untaggedSeconds };
}

export interface LostManifest {
  readonly digest: Digest;
  /** Whether one of the tags points to it, an index that is lost names it, or it refers to one that is lost. */
  readonly because: "tag" | "part" | "referrer";
}

/** What no tag needs any more after the deletion. */
export interface LostContent {
  /** The first ones, of `manifestCount`. */
  readonly manifests: readonly LostManifest[];
  readonly manifestCount: number;
  /** Blobs that only lost manifests name. */
  readonly blobCount: number;
  /** Size of the manifests, and of those blobs that no other repository has: what garbage collection frees. */
  readonly bytes: number;
}

export interface LostPreview {
  readonly fate: Fate;
  /** Absent if it cannot be told: the repository belongs to an upstream, cannot be read, or has too many manifests. */
  readonly lost?: LostContent;
}

export interface PreviewOptions {
  /** As for a collection: seconds for which a manifest without a tag is kept; `undefined` for ever. */
  readonly untaggedSeconds: number | undefined;
  readonly signal: AbortSignal;
}

/** Some 60 MB while they are looked at, and 5 s on a disk. */
const manifestsMax = 50_000;

/** Manifests that are named. */
const namedMax = 100;

/** Returns which of these tags a deletion will remove. Costs no more than the tags. */
export async function previewTags(
  services: Pick<Services, "storage" | "rules">,
  { name }: DeletePermit,
  tags: readonly Tag[],
): Promise<PreviewedTag[]> {
  const { storage, rules } = services;
  const there = new Map<Tag, Digest | undefined>();
  for await (const { tag, digest } of storage.tags.targets(name, tags)) there.set(tag, digest);
  const refusalOf = (tag: Tag): PreviewedTag["refusal"] => {
    if (!there.has(tag)) return "missing";
    if (!rules.deleteEnabled) return "delete-disabled";
    return isImmutable(rules.tagPolicy, name, tag) ? "immutable" : undefined;
  };
  return tags.map((tag) => {
    const refusal = refusalOf(tag);
    return { tag, digest: there.get(tag), ...(refusal !== undefined && { refusal }) };
  });
}

/** Returns what no tag needs any more if `removed` are removed. Reads all manifests of the repository. */
export async function previewLost(
  services: Services,
  { name }: DeletePermit,
  removed: readonly PreviewedTag[],
  { untaggedSeconds, signal }: PreviewOptions,
): Promise<LostPreview> {
  const fate = fateIn(services, name, untaggedSeconds);
  if (fate.kind === "evicted") return { fate };
  if (removed.length === 0) return { fate, lost: nothing };
  if ((await services.storage.manifests.list(name)).length > manifestsMax) return { fate };
  const all = await readManifests(services, name, signal);
  if (typeof all === "string") return { fate: { kind: "unreadable", why: all } };
  const needed = await neededManifests(services, name, all, new Set(removed.map(({ tag }) => tag)));
  if (typeof needed === "string") return { fate: { kind: "unreadable", why: needed } };
  signal.throwIfAborted();
  return { fate, lost: await contentOf(services, name, all, needed, removed) };
}

const nothing: LostContent = { manifests: [], manifestCount: 0, blobCount: 0, bytes: 0 };

async function contentOf(
  { storage }: Services,
  name: RepositoryName,
  all: ReadonlyMap<Digest, Named>,
  { kept, lost }: { readonly kept: ReadonlySet<Digest>; readonly lost: ReadonlySet<Digest> },
  removed: readonly PreviewedTag[],
): Promise<LostContent> {
  const named = await namedBy(lost, all);
  const manifests = [...lost];
  let [bytes, blobCount] = [0, 0];
  for await (const size of storage.manifests.sizes(name, manifests)) bytes += size;
  const unneeded = lost.size === 0 ? [] : await withoutNamed(named, kept, all);
  if (unneeded.length > 0)
    for await (const { size, shared } of storage.blobs.usages(name, unneeded)) {
      blobCount++;
      if (!shared) bytes += size;
    }
  const tagged = new Set(removed.map(({ digest }) => digest));
  const because = (digest: Digest) => (tagged.has(digest) ? "tag" : named.has(digest) ? "part" : "referrer");
  const first = manifests.slice(0, namedMax).map((digest) => ({ digest, because: because(digest) }) as const);
  return { manifests: first, manifestCount: lost.size, blobCount, bytes };
}

/** Manifests looked at in one turn of the event loop: a fraction of a millisecond. */
const manifestsPerTurn = 256;

async function namedBy(
  digests: ReadonlySet<Digest>,
  all: ReadonlyMap<Digest, Named>,
): Promise<ReadonlySet<Digest>> {
  const named = new Set<Digest>();
  let seen = 0;
  for (const digest of digests) {
    if (++seen % manifestsPerTurn === 0) await setImmediate();
    for (const one of all.get(digest)?.named ?? []) named.add(one);
  }
  return named;
}

/** Returns those of `named` that no kept manifest names, too. */
async function withoutNamed(
  named: ReadonlySet<Digest>,
  kept: ReadonlySet<Digest>,
  all: ReadonlyMap<Digest, Named>,
): Promise<Digest[]> {
  const rest = new Set(named);
  let seen = 0;
  for (const digest of kept) {
    if (++seen % manifestsPerTurn === 0) await setImmediate();
    for (const one of all.get(digest)?.named ?? []) rest.delete(one);
  }
  return [...rest];
}
