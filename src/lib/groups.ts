/** Items in groups, in order of arrival within each. Finds the largest group in constant time. */
export class Groups<K, V> {
  readonly #groups = new Map<K, Set<V>>();
  /** Keys of the groups: at index n, those of the groups with n items. */
  readonly #bySize: Set<K>[] = [];

  /** Number of items in the group. */
  count(key: K): number {
    return this.#groups.get(key)?.size ?? 0;
  }

  /** The key of one of the largest groups. */
  get largest(): K | undefined {
    const [key] = this.#bySize.at(-1) ?? [];
    return key;
  }

  /** The items of a group, the oldest first. */
  of(key: K): ReadonlySet<V> {
    return this.#groups.get(key) ?? new Set();
  }

  add(key: K, item: V): void {
    const group = this.#groups.get(key) ?? new Set();
    this.#groups.set(key, group);
    const before = group.size;
    this.#move(key, before, group.add(item).size);
  }

  /** Moves an item to the end of its group, as if it had just arrived. */
  renew(key: K, item: V): void {
    const group = this.#groups.get(key);
    if (group?.delete(item) === true) group.add(item);
  }

  /** Does nothing if the item is missing. */
  delete(key: K, item: V): void {
    const group = this.#groups.get(key);
    if (group?.delete(item) !== true) return;
    if (group.size === 0) this.#groups.delete(key);
    this.#move(key, group.size + 1, group.size);
  }

  #move(key: K, before: number, after: number): void {
    if (before === after) return;
    this.#bySize[before]?.delete(key);
    while (this.#bySize.length <= after) this.#bySize.push(new Set());
    if (after > 0) this.#bySize[after]?.add(key);
    while (this.#bySize.at(-1)?.size === 0) this.#bySize.pop();
  }
}
