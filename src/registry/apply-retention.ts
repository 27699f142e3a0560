/** Removing the tags that the retention rules no longer keep, or telling which they are. */
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { type ExpiredTag, expiredTags, type TagTimes } from "../gc/retention.js";
import { removeTag } from "./delete.js";
import type { Services } from "./services.js";

export interface RetentionOptions {
  /** Tell what would go, and leave it. */
  readonly dryRun: boolean;
  readonly signal?: AbortSignal;
}

export interface RetentionReport {
  readonly dryRun: boolean;
  /** Those that lose tags. */
  readonly repositories: readonly { readonly name: RepositoryName; readonly tags: readonly ExpiredTag[] }[];
  readonly tags: number;
}

/** Tags removed under one hold of a repository's lock. */
const batchSize = 16;

/** Applies the rules once. */
export async function applyRetention(
  services: Services,
  options: RetentionOptions,
  onProgress: (done: number, what: string) => void = () => {},
): Promise<RetentionReport> {
  const repositories: { name: RepositoryName; tags: ExpiredTag[] }[] = [];
  let done = 0;
  if (services.rules.tagPolicy.retention.length > 0) {
    for await (const name of services.storage.repositories.list()) {
      const tags = await expire(services, name, options);
      if (tags.length > 0) repositories.push({ name, tags });
      onProgress(++done, name);
      if (options.signal?.aborted) break;
    }
  }
  const count = repositories.reduce((sum, { tags }) => sum + tags.length, 0);
  return { dryRun: options.dryRun, repositories, tags: count };
}

async function expire(
  services: Services,
  name: RepositoryName,
  { dryRun, signal }: RetentionOptions,
): Promise<ExpiredTag[]> {
  const times = await timesOf(services, name);
  const expired = expiredTags(services.rules.tagPolicy, name, times, Date.now());
  if (dryRun) return expired;
  const removed: ExpiredTag[] = [];
  for (let start = 0; start < expired.length && !signal?.aborted; start += batchSize) {
    await services.repositoryLocks.exclusive(name, async () => {
      for (const one of expired.slice(start, start + batchSize)) {
        // Who pushed or pulled it meanwhile gave it a new time.
        const now = await tagTimes(services, name, one.tag);
        const before = times.get(one.tag);
        if (now?.pushedAt !== before?.pushedAt || now?.pulledAt !== before?.pulledAt) continue;
        if (await removeTag(services, name, one.tag)) removed.push(one);
      }
    });
  }
  return removed;
}

async function timesOf(services: Services, name: RepositoryName): Promise<Map<Tag, TagTimes>> {
  const times = new Map<Tag, TagTimes>();
  for (const tag of (await services.storage.tags.list(name)) ?? []) {
    const found = await tagTimes(services, name, tag);
    if (found !== undefined) times.set(tag, found);
  }
  return times;
}

async function tagTimes(
  { storage, pulls }: Services,
  name: RepositoryName,
  tag: Tag,
): Promise<TagTimes | undefined> {
  const stored = await storage.tags.times(name, tag);
  return stored && { ...stored, pulledAt: pulls.lastOf(name, tag) ?? stored.pulledAt };
}
