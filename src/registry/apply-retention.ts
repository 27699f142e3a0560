/** Removes the tags that the retention rules no longer keep, or lists them in a dry run. */
import type { Hold } from "../cluster/cluster.js";
import { attempt } from "../domain/errors.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { type ExpiredTag, expiredTags, type TagTimes } from "../gc/retention.js";
import { removeTag } from "./delete.js";
import type { Services } from "./services.js";

export interface RetentionOptions {
  /** Report what would be removed, and remove nothing. */
  readonly dryRun: boolean;
  readonly signal?: AbortSignal;
}

export interface RetentionReport {
  readonly dryRun: boolean;
  /** Repositories that lose tags. */
  readonly repositories: readonly { readonly name: RepositoryName; readonly tags: readonly ExpiredTag[] }[];
  readonly tags: number;
  /** Repositories with tags that could not be read or removed. */
  readonly unread: readonly { readonly name: RepositoryName; readonly why: string }[];
}

/** Tags removed under one hold of a repository's lock. */
const batchSize = 16;

/** Applies the rules once. A damaged repository or tag does not stop the others. */
export async function applyRetention(
  services: Services,
  options: RetentionOptions,
  onProgress: (done: number, what: string) => void = () => {},
): Promise<RetentionReport> {
  const repositories: { name: RepositoryName; tags: ExpiredTag[] }[] = [];
  const unread: { name: RepositoryName; why: string }[] = [];
  let done = 0;
  if (services.rules.tagPolicy.retention.length > 0) {
    for await (const name of services.storage.repositories.list()) {
      const expiry = new Expiry(services, name, options);
      await expiry.run();
      if (expiry.expired.length > 0) repositories.push({ name, tags: expiry.expired });
      if (expiry.unread !== undefined) unread.push({ name, why: expiry.unread });
      onProgress(++done, name);
      if (options.signal?.aborted) break;
    }
  }
  const count = repositories.reduce((sum, { tags }) => sum + tags.length, 0);
  return { dryRun: options.dryRun, repositories, tags: count, unread };
}

/** Applies the rules to one repository. */
class Expiry {
  readonly expired: ExpiredTag[] = [];
  /** Why some tags stay although the rules might not keep them. */
  unread: string | undefined;

  constructor(
    readonly services: Services,
    readonly name: RepositoryName,
    readonly options: RetentionOptions,
  ) {}

  /** Never rejects if the storage fails for this repository. */
  async run(): Promise<void> {
    await attempt(
      () => this.#expire(),
      (why) => {
        this.unread ??= why;
      },
    );
  }

  async #expire(): Promise<void> {
    const { services, name, options } = this;
    const times = new Map<Tag, TagTimes>();
    for await (const { tag, times: found } of this.#times()) {
      if (found !== undefined) times.set(tag, found);
      else this.unread ??= `the tag ${tag} cannot be read and is kept`;
    }
    const expired = expiredTags(services.rules.tagPolicy, name, times, Date.now());
    if (options.dryRun) {
      this.expired.push(...expired);
      return;
    }
    for (let start = 0; start < expired.length && !options.signal?.aborted; start += batchSize) {
      const batch = expired.slice(start, start + batchSize);
      await services.cluster.repositoryLocks.exclusive(name, (hold) => this.#remove(hold, batch, times));
    }
  }

  /** A tag that was pushed or pulled meanwhile has a new time, and stays. */
  async #remove(hold: Hold, batch: readonly ExpiredTag[], before: ReadonlyMap<Tag, TagTimes>): Promise<void> {
    const expired = new Map(batch.map((one) => [one.tag, one]));
    for await (const { tag, times: now } of this.#times([...expired.keys()])) {
      const one = expired.get(tag);
      const then = before.get(tag);
      if (one === undefined || now?.pushedAt !== then?.pushedAt || now?.pulledAt !== then?.pulledAt) continue;
      const remove = async () => {
        if (await removeTag(this.services, hold, this.name, tag, "retention")) this.expired.push(one);
      };
      await attempt(remove, (why) => {
        this.unread ??= `the tag ${tag} cannot be removed: ${why}`;
      });
    }
  }

  async *#times(tags?: readonly Tag[]): AsyncIterable<{ readonly tag: Tag; readonly times?: TagTimes }> {
    const { storage, pulls } = this.services;
    for await (const { tag, times } of storage.tags.times(this.name, tags)) {
      const pulledAt = pulls.lastOf(this.name, tag) ?? times?.pulledAt;
      yield times === undefined ? { tag } : { tag, times: { pushedAt: times.pushedAt, pulledAt } };
    }
  }
}
