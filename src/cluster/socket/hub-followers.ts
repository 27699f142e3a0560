/** Decides which nodes receive a change of a tag. A node that follows a tag has asked before it read the value that it caches. */
import type { Change, NodeName, TagsKey } from "../cluster.js";

interface Follower {
  isOfAll: boolean;
  readonly tags: Set<TagsKey>;
}

export class HubFollowers {
  readonly #followers = new Map<NodeName, Follower>();

  /** The node bounds how many it follows. */
  follow(of: TagsKey, node: NodeName): null {
    this.#of(node).tags.add(of);
    return null;
  }

  unfollow(node: NodeName): null {
    this.#of(node).tags.clear();
    return null;
  }

  followAll(isOn: boolean, node: NodeName): null {
    this.#of(node).isOfAll = isOn;
    return null;
  }

  gone(node: NodeName): void {
    this.#followers.delete(node);
  }

  /** Whether the node may have an entry in memory that the change makes outdated. */
  mustReceive(node: NodeName, change: Change): boolean {
    const follower = this.#followers.get(node);
    switch (change.kind) {
      case "tag-pointed":
      case "tag-removed":
      case "tag-unsure":
        return (
          follower !== undefined &&
          (follower.isOfAll ||
            follower.tags.has(change.name) ||
            follower.tags.has(`${change.name}:${change.tag}`))
        );
      case "pushed-untagged":
        return follower?.isOfAll === true;
      default:
        return true;
    }
  }

  #of(node: NodeName): Follower {
    const follower = this.#followers.get(node) ?? { isOfAll: false, tags: new Set() };
    this.#followers.set(node, follower);
    return follower;
  }
}
