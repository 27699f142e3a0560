/** Previews of deletions for pages: what takes long is found in the background, and kept for a moment. */
import { LRUCache } from "lru-cache";
import type { DeletePermit } from "../auth/gate.js";
import type { Tag } from "../domain/reference.js";
import type { Deadline } from "../lib/deadline.js";
import { Turns } from "../lib/turns.js";
import {
  type LostPreview,
  type PreviewedTag,
  previewLost,
  previewTags,
} from "../registry/deletion-preview.js";
import type { Services } from "../registry/services.js";

export interface DeletionPreview {
  readonly tags: readonly PreviewedTag[];
  /** What no tag needs any more; `undefined` if it is not known yet. */
  readonly after: LostPreview | undefined;
  readonly complete: boolean;
}

/** Each may have read tens of thousands of manifests. */
const previewsMax = 20;
/** A page asks again within seconds. Older ones may be outdated. */
const previewMilliseconds = 30_000;
/** Visitors who wait for one preview after the other. */
const waitingMax = 20;
/** Tags of one deletion. */
export const deletedTagsMax = 100;

interface Running {
  readonly ended: Promise<void>;
  found?: LostPreview;
}

export class DeletionPreviews {
  readonly #running = new LRUCache<string, Running>({ max: previewsMax, ttl: previewMilliseconds });
  readonly #turns = new Turns(1, waitingMax);
  readonly #stopping = new AbortController();

  /** `untaggedSeconds` is that of the collections, see `Keeping`. */
  constructor(
    readonly services: Services,
    readonly untaggedSeconds: number | undefined,
  ) {}

  /** Returns what is known by the deadline about the deletion of up to `deletedTagsMax` tags. */
  async get(permit: DeletePermit, tags: readonly Tag[], deadline: Deadline): Promise<DeletionPreview> {
    const wanted = [...new Set(tags)].slice(0, deletedTagsMax);
    const previewed = await deadline.within(previewTags(this.services, permit, wanted));
    if (previewed === undefined) return { tags: [], after: undefined, complete: false };
    const removed = previewed.filter(({ refusal }) => refusal === undefined);
    const running = this.#begin(permit, removed);
    if (running.found === undefined) await deadline.within(running.ended);
    return { tags: previewed, after: running.found, complete: running.found !== undefined };
  }

  close(): void {
    this.#stopping.abort(new Error("the server stops"));
    this.#running.clear();
  }

  #begin(permit: DeletePermit, removed: readonly PreviewedTag[]): Running {
    const targets = removed.map(({ tag, digest }) => `${tag}@${digest}`).toSorted();
    const key = [permit.name, ...targets].join(" ");
    const known = this.#running.get(key);
    if (known !== undefined) return known;
    const running: Running = {
      ended: this.#find(permit, removed).then(
        (found) => {
          if (found !== undefined) running.found = found;
          else this.#running.delete(key);
        },
        (error: unknown) => {
          this.#running.delete(key);
          if (!this.#stopping.signal.aborted) this.services.onBackgroundError(error);
        },
      ),
    };
    this.#running.set(key, running);
    return running;
  }

  /** Resolves with `undefined` if too many others wait. */
  async #find(permit: DeletePermit, removed: readonly PreviewedTag[]): Promise<LostPreview | undefined> {
    if (!(await this.#turns.begin())) return undefined;
    try {
      const { signal } = this.#stopping;
      signal.throwIfAborted();
      return await previewLost(this.services, permit, removed, {
        untaggedSeconds: this.untaggedSeconds,
        signal,
      });
    } finally {
      this.#turns.end();
    }
  }
}
