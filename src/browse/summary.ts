/** The numbers of one repository, and which of them are outdated. */

import { TagList } from "../cache/tag-list.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "../registry/services.js";

/** For more changed tags, all are read. */
const changedTagsMax = 256;

/** Uploads are published by nobody. */
const ageMillisecondsMax = 10 * 60_000;

/** The size is read during this part of the time at most. */
const sizeTimePart = 1 / 20;

/** Pause after the storage has failed. */
const retryMilliseconds = 5_000;

const never = Number.NEGATIVE_INFINITY;

export interface RepositorySummary {
  readonly tags: number;
  /** In milliseconds since the epoch; `undefined` if nothing is there that was pushed. */
  readonly lastPushAt: number | undefined;
  /** Size of its distinct blobs and its manifests; `undefined` if it is not known yet. */
  readonly bytes: number | undefined;
}

interface Uses {
  readonly tags: number;
  readonly lastPushAt: number | undefined;
}

export class Summary {
  /** The running read, if any. */
  reading: Promise<void> | undefined;
  #uses: Uses | undefined;
  #bytes: number | undefined;
  /** Tags whose times are outdated. */
  #changedTags: Set<Tag> | "all" = "all";
  /** When something was last pushed without a tag, as far as this is not among the uses. */
  #pushedAt: number | undefined;
  #isSizeOutdated = true;
  /** By the clock of `performance`. */
  #usesReadAt = never;
  #sizeReadAt = never;
  #failedAt = never;
  #sizeMilliseconds = 0;
  /** Whether a running read replaces something outdated. */
  #isReplacing = false;

  constructor(
    readonly services: Pick<Services, "storage" | "caches">,
    readonly name: RepositoryName,
    readonly sizePauseMilliseconds: number,
  ) {}

  get found(): RepositorySummary | undefined {
    return this.#uses && { ...this.#uses, bytes: this.#bytes };
  }

  get isOutdated(): boolean {
    return this.#isReplacing || this.#areUsesOutdated || this.#isSizeOutdated;
  }

  /** Whether something is outdated, and may be read now. */
  get isDue(): boolean {
    return (
      (this.#areUsesOutdated || this.#isSizeDue) && performance.now() - this.#failedAt > retryMilliseconds
    );
  }

  get #areUsesOutdated(): boolean {
    const isOld = performance.now() - this.#usesReadAt > ageMillisecondsMax;
    return isOld || this.#pushedAt !== undefined || this.#changedTags === "all" || this.#changedTags.size > 0;
  }

  get #isSizeDue(): boolean {
    const age = performance.now() - this.#sizeReadAt;
    const pause = Math.max(this.sizePauseMilliseconds, this.#sizeMilliseconds / sizeTimePart);
    return age > Math.max(ageMillisecondsMax, pause) || (this.#isSizeOutdated && age > pause);
  }

  noteTag(tag: Tag): void {
    this.#isSizeOutdated = true;
    if (this.#changedTags === "all") return;
    this.#changedTags.add(tag);
    if (this.#changedTags.size > changedTagsMax) this.#changedTags = "all";
  }

  notePush(): void {
    this.#isSizeOutdated = true;
    this.#pushedAt = Date.now();
  }

  noteRemoval(): void {
    this.#isSizeOutdated = true;
  }

  noteLoss(): void {
    this.#isSizeOutdated = true;
    this.#changedTags = "all";
  }

  /** Reads what is outdated. */
  async read(): Promise<void> {
    this.#isReplacing = this.isOutdated;
    const pushedAt = this.#pushedAt;
    try {
      if (this.#areUsesOutdated) await this.#readUses();
      if (this.#isSizeDue) await this.#readSize();
    } catch (error) {
      this.#failedAt = performance.now();
      this.#changedTags = "all";
      this.#pushedAt ??= pushedAt;
      this.#isSizeOutdated = true;
      throw error;
    } finally {
      this.#isReplacing = false;
    }
  }

  async #readUses(): Promise<void> {
    const { name } = this;
    const { storage } = this.services;
    const isOld = performance.now() - this.#usesReadAt > ageMillisecondsMax;
    const before = isOld || this.#changedTags === "all" ? undefined : this.#uses;
    const changed = before === undefined || this.#changedTags === "all" ? undefined : [...this.#changedTags];
    const pushedAt = this.#pushedAt;
    this.#changedTags = new Set();
    this.#pushedAt = undefined;
    const tags = (await this.#tags())?.length;
    if (tags === undefined) {
      this.#uses = { tags: 0, lastPushAt: undefined };
      return;
    }
    let lastPushAt = before?.lastPushAt;
    for await (const { times } of storage.tags.times(name, changed))
      lastPushAt = later(lastPushAt, times?.pushedAt);
    if (tags === 0 && lastPushAt === undefined)
      for await (const at of storage.manifests.pushedAt(name, await storage.manifests.list(name)))
        lastPushAt = later(lastPushAt, at);
    this.#uses = { tags, lastPushAt: later(lastPushAt, pushedAt) };
    if (changed === undefined) this.#usesReadAt = performance.now();
  }

  /** Resolves with `undefined` if there is no such repository. */
  async #tags(): Promise<readonly Tag[] | undefined> {
    const { storage, caches } = this.services;
    const list = await caches.tagLists.load(this.name, async () => {
      const tags = await storage.tags.list(this.name);
      return tags && TagList.of(tags);
    });
    return list?.tags;
  }

  async #readSize(): Promise<void> {
    const { name } = this;
    const { blobs, manifests } = this.services.storage;
    const begin = performance.now();
    this.#isSizeOutdated = false;
    let bytes = 0;
    for await (const size of blobs.sizes(name, await blobs.list(name))) bytes += size;
    for await (const size of manifests.sizes(name, await manifests.list(name))) bytes += size;
    this.#bytes = bytes;
    this.#sizeReadAt = performance.now();
    this.#sizeMilliseconds = this.#sizeReadAt - begin;
  }
}

function later(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}
