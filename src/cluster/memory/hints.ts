/** Hints of a single node, in its memory. */
import { LRUCache } from "lru-cache";
import { entriesMax } from "../../lib/lru-bound.js";
import type { Hints } from "../cluster.js";

/** About 200 bytes each. */
const hintsMax = 100_000;

export class MemoryHints implements Hints {
  readonly #kept = new LRUCache<string, string>({ ...entriesMax(hintsMax), ttl: 1 });

  async get(key: string): Promise<string | undefined> {
    return this.#kept.get(key);
  }

  put(key: string, value: string, milliseconds: number): void {
    this.#kept.set(key, value, { ttl: Math.max(1, Math.ceil(milliseconds)) });
  }
}
