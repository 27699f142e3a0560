/** Keeps the times at which tags were last pulled from the source, for retention rules. */
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { TagStore } from "../../storage/storage.js";

export class PulledAt {
  /** Those of the target, read once for tags that it has had before. */
  #known: Promise<ReadonlyMap<Tag, number | undefined>> | undefined;

  constructor(
    readonly tags: TagStore,
    readonly name: RepositoryName,
  ) {}

  /** Stores the source's time, unless the tag has been pulled here since. `isNew` tells that it was not here before. */
  async keep(tag: Tag, at: number, isNew: boolean): Promise<void> {
    if (!isNew) {
      this.#known ??= this.#read();
      const known = (await this.#known).get(tag);
      if (known !== undefined && known >= at) return;
    }
    await this.tags.setPulledAt(this.name, tag, at);
  }

  async #read(): Promise<ReadonlyMap<Tag, number | undefined>> {
    const known = new Map<Tag, number | undefined>();
    for await (const { tag, times } of this.tags.times(this.name)) known.set(tag, times?.pulledAt);
    return known;
  }
}
