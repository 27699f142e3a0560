/** The history of tags: what they pointed to, and the way back. */
import { setImmediate } from "node:timers/promises";
import type { PullPermit, PushPermit } from "../auth/gate.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { Page } from "../domain/page.js";
import type { Precondition } from "../domain/precondition.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { keptEntries, type TagEntry } from "../domain/tag-history.js";
import { inOrder } from "../lib/in-order.js";
import { resolveTag } from "./pull-manifest.js";
import { type PushedManifest, pushManifest } from "./push-manifest.js";
import { readUsableManifest } from "./read-manifest.js";
import type { Services } from "./services.js";
import type { Actor } from "./tags.js";

export interface HistoryEntry extends TagEntry {
  /** Whether the tag points to it now. Only the first entry of a history may. */
  readonly isCurrent: boolean;
  /** Whether the repository has its manifest, so that the tag can be pointed to it. */
  readonly isAvailable: boolean;
}

export interface RemovedTag {
  readonly tag: Tag;
  /** The newest entry: when it was removed and by whom, unless a crash has lost that. */
  readonly last: HistoryEntry;
}

export interface HistoryQuery {
  /** Maximum entries of a page. */
  readonly n: number;
  /** The page has entries before this time, in milliseconds since the epoch. */
  readonly before?: number | undefined;
  /** Whether the names of those who log in are shown; by default to callers who have logged in themselves. */
  readonly showsLogins?: boolean;
}

/**
 * Returns a page of a tag's history, newest first. No two entries of a tag have the same time. Rejects with `manifest-unknown`
 * if there is no such tag and never was.
 */
export async function tagHistory(
  services: Services,
  { name, identity }: PullPermit,
  tag: Tag,
  { n, before = Number.POSITIVE_INFINITY, showsLogins = identity.kind !== "anonymous" }: HistoryQuery,
): Promise<Page<HistoryEntry>> {
  const entries = await historyOf(services, name, tag);
  if (entries.length === 0)
    throw new RegistryError(
      "manifest-unknown",
      "there is no such tag in this repository, and no history of it",
      {
        tag,
      },
    );
  const current = await resolveTag(services, name, tag);
  const rest = entries.filter(({ at }) => at < before);
  const page = rest.slice(0, n);
  const available = await availableAmong(services, name, page);
  const items = page.map((entry) => ({
    ...shown(entry, showsLogins),
    isCurrent: entry === entries[0] && entry.kind === "pointed" && entry.digest === current,
    isAvailable: entry.digest !== undefined && available.has(entry.digest),
  }));
  const next = items.at(-1);
  return next !== undefined && rest.length > n ? { items, next } : { items };
}

/** Tags read in parallel; each costs some reads of the storage. */
const tagsAtOnce = 8;

/** Returns a page of up to `n` tags that were removed and have a history, in ASCII order, after `after`. */
export async function removedTags(
  services: Services,
  permit: PullPermit,
  { n, after = "" }: { readonly n: number; readonly after?: string },
  signal: AbortSignal,
): Promise<Page<RemovedTag>> {
  const items: RemovedTag[] = [];
  const showsLogins = permit.identity.kind !== "anonymous";
  const found = inOrder(services.storage.history.removed(permit.name, after), tagsAtOnce, async (tag) => {
    const [last] = await historyOf(services, permit.name, tag);
    return { tag, last };
  });
  for await (const { tag, last } of found) {
    signal.throwIfAborted();
    if (items.length >= n) {
      const next = items.at(-1);
      return next === undefined ? { items } : { items, next };
    }
    // Its entries may be beyond the bounds, or the tag may have been pushed again meanwhile.
    if (last === undefined) continue;
    const available = await availableAmong(services, permit.name, [last]);
    const isAvailable = last.digest !== undefined && available.has(last.digest);
    items.push({ tag, last: { ...shown(last, showsLogins), isCurrent: false, isAvailable } });
    await setImmediate();
  }
  return { items };
}

/**
 * Points the tag to a manifest of its history again. This is a push by the caller: the same rules apply, and everything that
 * the manifest names must be here. Rejects with `manifest-unknown` if the manifest is not in the tag's history or no longer in
 * the repository, and like `pushManifest`. The precondition applies to the tag.
 */
export async function rollBack(
  services: Services,
  permit: PushPermit,
  {
    tag,
    digest,
    precondition,
    by,
  }: {
    readonly tag: Tag;
    readonly digest: Digest;
    readonly precondition?: Precondition | undefined;
    /** By default the caller. */
    readonly by?: Actor;
  },
): Promise<PushedManifest> {
  const { name } = permit;
  if (services.isMirrored(name))
    throw new RegistryError("denied", "the tags of this repository belong to an upstream registry", { name });
  const entries = await historyOf(services, name, tag);
  if (!entries.some((entry) => entry.digest === digest)) throw notInHistory(tag, digest);
  const found = await readUsableManifest(services, name, digest);
  if (found === undefined)
    throw new RegistryError(
      "manifest-unknown",
      "the repository no longer has this manifest: it was deleted or collected as garbage; push it again",
      { digest },
    );
  return pushManifest(services, permit, {
    reference: { kind: "tag", tag },
    digest,
    tags: [],
    contentType: "",
    bytes: found.bytes,
    precondition,
    // It was accepted when it was pushed.
    onMismatch: () => {},
    ...(by !== undefined && { by }),
  });
}

/**
 * Returns the only digest in the tag's history that begins with `prefix`. Rejects with `manifest-unknown` if there is none, and
 * with `request-invalid` if there are several.
 */
export async function digestInHistory(
  services: Services,
  { name }: PullPermit,
  tag: Tag,
  prefix: string,
): Promise<Digest> {
  const entries = await historyOf(services, name, tag);
  const found = new Set(entries.flatMap(({ digest }) => (digest?.startsWith(prefix) ? digest : [])));
  const [digest] = found;
  if (digest === undefined) throw notInHistory(tag, prefix);
  if (found.size > 1)
    throw new RegistryError(
      "request-invalid",
      `${found.size} manifests in the history of the tag ${tag} begin with ${prefix}: write more digits`,
      { tag, digest: prefix },
    );
  return digest;
}

function notInHistory(tag: Tag, digest: string): RegistryError {
  return new RegistryError("manifest-unknown", `the history of the tag ${tag} does not have this manifest`, {
    tag,
    digest,
  });
}

/** Returns the entries within the bounds, newest first, each with a time of its own. */
async function historyOf({ storage, rules }: Services, name: RepositoryName, tag: Tag): Promise<TagEntry[]> {
  const entries: TagEntry[] = [];
  for await (const entry of storage.history.list(name, tag)) {
    const next = entries.at(-1)?.at ?? Number.POSITIVE_INFINITY;
    // The order is right even if clocks were not.
    entries.push(entry.at < next ? entry : { ...entry, at: next - 1 });
  }
  const { history = { entriesMax: 1, keptMilliseconds: 0 } } = rules;
  return keptEntries(entries, history, Date.now());
}

async function availableAmong(
  { storage }: Services,
  name: RepositoryName,
  entries: readonly TagEntry[],
): Promise<ReadonlySet<Digest>> {
  const digests = [...new Set(entries.flatMap(({ digest }) => digest ?? []))];
  const available = new Set<Digest>();
  let index = 0;
  for await (const pushedAt of storage.manifests.pushedAt(name, digests)) {
    const digest = digests[index++];
    if (digest !== undefined && pushedAt !== undefined) available.add(digest);
  }
  return available;
}

/** Returns the entry as clients and commands get it in JSON. */
export function entryJson({ kind, digest, at, by, isCurrent, isAvailable }: HistoryEntry) {
  return {
    action: kind,
    ...(digest !== undefined && { digest }),
    at: new Date(at).toISOString(),
    ...(by !== undefined && { by }),
    current: isCurrent,
    available: isAvailable,
  };
}

/** Subjects of people and machines, which are their login names. */
const loginNames = /^(?:user|robot|workload|certificate|outside):/;

/** Anonymous callers are not shown who has a login here. */
function shown(entry: TagEntry, showsLogins: boolean): TagEntry {
  if (showsLogins || entry.by === undefined || !loginNames.test(entry.by)) return entry;
  const { by: _, ...others } = entry;
  return others;
}
