/**
 * Records when each tag was last pulled: in memory on the hot path, and in the storage from time to time. A stored time is
 * accurate to an hour, and to a minute for a tag that had none, which suffices for retention by days.
 */
import { LRUCache } from "lru-cache";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { each } from "../lib/each.js";
import { entriesMax } from "../lib/lru-bound.js";
import type { TagStore } from "../storage/storage.js";

/** About 150 bytes each. */
const tagsMax = 100_000;
const hourMilliseconds = 3_600_000;

interface Pull {
  readonly name: RepositoryName;
  readonly tag: Tag;
  readonly at: number;
  saved: boolean;
}

export class Pulls {
  readonly #last = new LRUCache<string, Pull>(entriesMax(tagsMax));

  /** Callers that have the key, `name:tag`, pass it. */
  note(name: RepositoryName, tag: Tag, key = `${name}:${tag}`): void {
    const before = this.#last.get(key);
    const at = Date.now();
    if (before === undefined || at - before.at >= hourMilliseconds)
      this.#last.set(key, { name, tag, at, saved: false });
  }

  /** Returns milliseconds since the epoch, or undefined if it was not pulled from this process. */
  lastOf(name: RepositoryName, tag: Tag): number | undefined {
    return this.#last.peek(`${name}:${tag}`)?.at;
  }

  /** Stores new times. Rejects if some could not be stored; the next call retries them. */
  async save(tags: TagStore): Promise<void> {
    const unsaved = [...this.#last.values()].filter(({ saved }) => !saved);
    await each(unsaved, async (pull) => {
      await tags.setPulledAt(pull.name, pull.tag, pull.at);
      pull.saved = true;
    });
  }
}
