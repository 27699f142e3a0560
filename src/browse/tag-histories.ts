/**
 * The history of tags for pages. It is kept nowhere: each page reads it, and what misses the deadline of one page is shown by
 * the next. So a page does not wait for a storage that answers late or not at all.
 */
import { LRUCache } from "lru-cache";
import type { PullPermit } from "../auth/gate.js";
import type { Change, Changes, ChangesLost } from "../cluster/cluster.js";
import type { Digest } from "../domain/digest.js";
import type { Page } from "../domain/page.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Deadline } from "../lib/deadline.js";
import { LateResults } from "../lib/late-results.js";
import type { Services } from "../registry/services.js";
import {
  type HistoryEntry,
  type HistoryQuery,
  type RemovedTag,
  removedTags,
  tagHistory,
} from "../registry/tag-history.js";

/** Repositories whose last change is remembered. Of others, a page is loaded once more. */
const changedMax = 1_000;

export interface FoundHistory<T> {
  /** Absent if it is not known yet. */
  readonly value: T | undefined;
  /** Whether it is known, and nothing has changed since it was read. Otherwise, ask again in a moment. */
  readonly complete: boolean;
}

export interface ShownHistory extends Page<HistoryEntry> {
  /** What the tag points to; the current entry may be on another page. */
  readonly current: Digest | undefined;
}

/** Who asks, and until when. */
export interface HistoryAsker {
  readonly client: string;
  readonly deadline: Deadline;
}

export class TagHistories {
  readonly #late = new LateResults();
  readonly #changed = new LRUCache<RepositoryName, number>({ max: changedMax });
  #changes = 0;
  /** The number of changes when some were lost. */
  #lostAt = 0;
  readonly #unsubscribe: () => void;
  readonly #closing = new AbortController();

  constructor(
    readonly services: Services,
    changes: Pick<Changes, "subscribe">,
  ) {
    this.#unsubscribe = changes.subscribe((change) => {
      this.#follow(change);
      return undefined;
    });
  }

  /** Rejects with `manifest-unknown` if there is no such tag and never was. */
  history(
    permit: PullPermit,
    tag: Tag,
    query: HistoryQuery,
    asker: HistoryAsker,
  ): Promise<FoundHistory<ShownHistory>> {
    const { services } = this;
    const key = [permit.identity.kind, query.n, query.before ?? "", tag].join(" ");
    return this.#find(permit.name, `history ${key}`, asker, async () => ({
      ...(await tagHistory(services, permit, tag, query)),
      current: await services.storage.tags.resolve(permit.name, tag),
    }));
  }

  removed(
    permit: PullPermit,
    query: { readonly n: number; readonly after: string },
    asker: HistoryAsker,
  ): Promise<FoundHistory<Page<RemovedTag>>> {
    const key = [permit.identity.kind, query.n, query.after].join(" ");
    return this.#find(permit.name, `removed ${key}`, asker, () =>
      removedTags(this.services, permit, query, this.#closing.signal),
    );
  }

  /** Finds what a tag points to; `undefined` if it was removed. */
  target(
    { name }: Pick<PullPermit, "name">,
    tag: Tag,
    asker: HistoryAsker,
  ): Promise<FoundHistory<{ readonly digest: Digest | undefined }>> {
    return this.#find(name, `target ${tag}`, asker, async () => ({
      digest: await this.services.storage.tags.resolve(name, tag),
    }));
  }

  close(): void {
    this.#closing.abort(new Error("the server stops"));
    this.#unsubscribe();
  }

  async #find<T>(
    name: RepositoryName,
    key: string,
    { client, deadline }: HistoryAsker,
    read: () => Promise<T>,
  ): Promise<FoundHistory<T>> {
    const readNow = async () => {
      const version = this.#versionOf(name);
      return { value: await read(), version };
    };
    const found = await this.#late.within(`${name} ${key}`, deadline, readNow, client);
    return { value: found?.value, complete: found !== undefined && found.version === this.#versionOf(name) };
  }

  #versionOf(name: RepositoryName): number {
    return this.#changed.get(name) ?? this.#lostAt;
  }

  #follow(change: Change | ChangesLost): void {
    this.#changes++;
    switch (change.kind) {
      case "tag-pointed":
      case "tag-removed":
      case "tag-unsure":
      case "manifest-deleted":
      case "repository-emptied":
        this.#changed.set(change.name, this.#changes);
        return;
      case "lost":
        this.#changed.clear();
        this.#lostAt = this.#changes;
    }
  }
}
