/** Previews of deletions for pages: what takes long is found in the background, and kept for a moment. */
import { LRUCache } from "lru-cache";
import type { DeletePermit } from "../auth/gate.js";
import type { Tag } from "../domain/reference.js";
import type { TagPolicy } from "../gc/retention.js";
import type { Deadline } from "../lib/deadline.js";
import { FairTurns } from "../lib/fair-turns.js";
import { LateResults } from "../lib/late-results.js";
import {
  type LostPreview,
  type PreviewedTag,
  previewLost,
  previewTags,
} from "../registry/deletion-preview.js";
import { type Services, withRulesOfNow } from "../registry/services.js";

export interface DeletionPreview {
  readonly tags: readonly PreviewedTag[];
  /** What no tag needs any more; `undefined` if it is not known yet. */
  readonly after: LostPreview | undefined;
  readonly complete: boolean;
}

/** Previews that are kept. Each may have read tens of thousands of manifests. */
const previewsMax = 20;
/** A page asks again within seconds. Older previews may be outdated. */
const defaultPreviewMilliseconds = 30_000;
/** Pause after a preview has failed. */
const defaultRetryMilliseconds = 5_000;
/** Previews that wait for the one that is being found. */
const waitingMax = 20;
const waitingPerClientMax = waitingMax / 2;
/** Tags of one deletion. */
export const deletedTagsMax = 100;

/** For tests. */
export interface PreviewTimes {
  readonly previewMilliseconds?: number;
  readonly retryMilliseconds?: number;
}

export class DeletionPreviews {
  readonly #late = new LateResults();
  /** One runs, and some wait for it. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #found: LRUCache<string, LostPreview>;
  readonly #failed: LRUCache<string, true>;
  readonly #turns = new FairTurns(1, waitingMax, waitingPerClientMax);
  readonly #stopping = new AbortController();
  /** The policy of the last request, and how many there were before it. */
  #policy: TagPolicy | undefined;
  #policies = 0;

  /** `untaggedSeconds` is that of the collections, see `Keeping`. */
  constructor(
    readonly services: Services,
    readonly untaggedSeconds: number | undefined,
    times: PreviewTimes = {},
  ) {
    const { previewMilliseconds = defaultPreviewMilliseconds } = times;
    const { retryMilliseconds = defaultRetryMilliseconds } = times;
    this.#found = new LRUCache({ max: previewsMax, ttl: previewMilliseconds });
    this.#failed = new LRUCache({ max: previewsMax, ttl: retryMilliseconds });
  }

  /** Returns what is known by the deadline about the deletion of up to `deletedTagsMax` tags. */
  async get(
    permit: DeletePermit,
    tags: readonly Tag[],
    deadline: Deadline,
    client = "",
  ): Promise<DeletionPreview> {
    const wanted = [...new Set(tags)].slice(0, deletedTagsMax);
    const services = withRulesOfNow(this.services);
    const scope = `${this.#numberOf(services.rules.tagPolicy)} ${permit.name}`;
    const read = () => previewTags(services, permit, wanted);
    const previewed = await this.#late.within([scope, ...wanted].join(" "), deadline, read, client);
    if (previewed === undefined) return { tags: [], after: undefined, complete: false };
    const removed = previewed.filter(({ refusal }) => refusal === undefined);
    const targets = removed.map(({ tag, digest }) => `${tag}@${digest}`).toSorted();
    const key = [scope, ...targets].join(" ");
    if (!this.#found.has(key) && !this.#failed.has(key))
      await deadline.within(this.#running.get(key) ?? this.#begin(key, services, permit, removed, client));
    const after = this.#found.get(key);
    return { tags: previewed, after, complete: after !== undefined };
  }

  /** Numbers the policies, for the keys: a preview by earlier rules, also one that is being found, is never shown again. */
  #numberOf(policy: TagPolicy): number {
    if (policy !== this.#policy) this.#policies++;
    this.#policy = policy;
    return this.#policies;
  }

  close(): void {
    this.#stopping.abort(new Error("the server stops"));
  }

  /** Begins to find a preview, and returns when that has ended. Never rejects. */
  #begin(
    key: string,
    services: Services,
    permit: DeletePermit,
    removed: readonly PreviewedTag[],
    client: string,
  ): Promise<void> {
    const running = this.#find(services, permit, removed, client)
      .then((found) => {
        if (found !== undefined) this.#found.set(key, found);
      })
      .catch((error: unknown) => {
        this.#failed.set(key, true);
        if (!this.#stopping.signal.aborted) this.services.onBackgroundError(error);
      })
      .finally(() => this.#running.delete(key));
    this.#running.set(key, running);
    return running;
  }

  /** Resolves with `undefined` if too many others wait. */
  async #find(
    services: Services,
    permit: DeletePermit,
    removed: readonly PreviewedTag[],
    client: string,
  ): Promise<LostPreview | undefined> {
    if (!(await this.#turns.begin(client))) return undefined;
    try {
      const { signal } = this.#stopping;
      signal.throwIfAborted();
      return await previewLost(services, permit, removed, {
        untaggedSeconds: this.untaggedSeconds,
        signal,
      });
    } finally {
      this.#turns.end();
    }
  }
}
