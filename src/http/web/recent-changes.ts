/** What has changed since a reader looked last: bounded, however much changes. */
import type { Change } from "../../cluster/cluster.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";

/** A change as a page shows it. `changed`: several different changes of one repository. */
export interface ShownChange {
  readonly kind: "pushed" | "removed" | "emptied" | "changed";
  readonly name: RepositoryName;
  readonly tag?: Tag;
}

export interface Update {
  /** One for each repository. */
  readonly changes: readonly ShownChange[];
  /** Whether there were others, which are unknown. */
  readonly hasMore: boolean;
}

/** Repositories whose changes are kept: each reader checks whether it may see them. */
const repositoriesMax = 64;

export class RecentChanges {
  readonly #changes = new Map<RepositoryName, ShownChange>();
  #hasMore = false;

  add(change: ShownChange): void {
    const { name } = change;
    const known = this.#changes.get(name);
    if (known !== undefined) {
      if (known.kind === "changed" || (known.kind === change.kind && known.tag === change.tag)) return;
      this.#changes.set(name, { kind: "changed", name });
    } else if (this.#changes.size < repositoriesMax) this.#changes.set(name, change);
    else this.#hasMore = true;
  }

  /** Call it when changes may have been missed. */
  addUnknown(): void {
    this.#hasMore = true;
  }

  /** Returns what has changed since the last call. */
  take(): Update {
    const update = { changes: [...this.#changes.values()], hasMore: this.#hasMore };
    this.#changes.clear();
    this.#hasMore = false;
    return update;
  }
}

/** Returns what pages show of a change; `undefined` for one that no page shows. */
export function shownOf(change: Change): ShownChange | undefined {
  switch (change.kind) {
    case "tag-pointed":
      return { kind: "pushed", name: change.name, tag: change.tag };
    case "tag-removed":
      return { kind: "removed", name: change.name, tag: change.tag };
    case "pushed-untagged":
      return { kind: "pushed", name: change.name };
    case "manifest-deleted":
      return { kind: "removed", name: change.name };
    case "repository-emptied":
      return { kind: "emptied", name: change.name };
    case "tag-unsure":
      return { kind: "changed", name: change.name };
    case "blob-deleted":
    case "condemned":
    case "blobs-healed":
    case "robot-changed":
    case "web-session-ended":
      return undefined;
  }
}
