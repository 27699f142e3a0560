/** Work that runs once at a time for a key: callers that come meanwhile share its result. */
export class RunningWork<K, V> {
  readonly #running = new Map<K, Promise<V>>();

  /** Returns the work that runs for the key, or begins it. `begin` must not call this for the same key. */
  join(key: K, begin: () => Promise<V>): Promise<V> {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const begun = begin().finally(() => this.#running.delete(key));
    this.#running.set(key, begun);
    return begun;
  }

  get(key: K): Promise<V> | undefined {
    return this.#running.get(key);
  }
}
