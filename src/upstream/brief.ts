/** Remembers for a while what an upstream has answered, and asks once for all who want to know at the same time. */
import { LRUCache } from "lru-cache";
import { RunningWork } from "../lib/running-work.js";

/** About 200 bytes each, if the answers are small. */
const defaultEntriesMax = 100_000;

export class BriefAnswers<V extends {}> {
  readonly #kept: LRUCache<string, { readonly value: V }>;
  readonly #asking = new RunningWork<string, V>();

  constructor(
    readonly milliseconds: number,
    entriesMax = defaultEntriesMax,
  ) {
    this.#kept = new LRUCache({ max: entriesMax, ttl: Math.max(1, milliseconds) });
  }

  /** Resolves with the kept answer, or with that of `ask`, which runs once at a time for a key. A failure is not kept. */
  get(key: string, ask: () => Promise<V>): Promise<V> {
    const kept = this.#kept.get(key);
    if (kept !== undefined) return Promise.resolve(kept.value);
    return this.#asking.join(key, async () => {
      const value = await ask();
      this.set(key, value);
      return value;
    });
  }

  /** Whether `ask` runs for the key. */
  isAsking(key: string): boolean {
    return this.#asking.get(key) !== undefined;
  }

  peek(key: string): V | undefined {
    return this.#kept.get(key)?.value;
  }

  set(key: string, value: V): void {
    if (this.milliseconds > 0) this.#kept.set(key, { value });
  }
}
