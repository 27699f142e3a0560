/**
 * Tells all nodes of manifests that were pushed without a tag, at most once a second for each repository: nothing that a client
 * is told depends on it, so no push waits for it.
 */
import type { Changes } from "../cluster/cluster.js";
import type { RepositoryName } from "../domain/repository-name.js";

const pauseMilliseconds = 1_000;

/** Repositories at once, about 300 bytes each. Further ones are told of by their next push. */
const repositoriesMax = 10_000;

export class UntaggedPushes {
  /** The repositories told of in the last second, and whether there was another push since then. */
  readonly #told = new Map<RepositoryName, { again: boolean }>();

  constructor(readonly changes: Pick<Changes, "publish">) {}

  /** Call it when the manifest is stored. */
  note(name: RepositoryName): void {
    const told = this.#told.get(name);
    if (told !== undefined) told.again = true;
    else if (this.#told.size < repositoriesMax) void this.#tell(name);
  }

  async #tell(name: RepositoryName): Promise<void> {
    const told = { again: false };
    this.#told.set(name, told);
    const pause = new Promise((resolve) => setTimeout(resolve, pauseMilliseconds).unref());
    // Nodes that cannot be reached notice that they have missed changes.
    await this.changes.publish({ kind: "pushed-untagged", name })?.catch(() => {});
    await pause;
    this.#told.delete(name);
    if (told.again) void this.#tell(name);
  }
}
