/**
 * The cluster port: what the nodes of one registry share while they run. test/contract/cluster.ts tests each of these
 * promises on every implementation.
 *
 * The cluster never holds the truth. Blobs, manifests, tags and referrers are in the storage, which guards them by its own
 * conditional writes. An engine behind this port may be killed, emptied or cut off at any moment. Then nothing that was
 * acknowledged is lost, pushes and pulls go on, and what cannot be decided without the engine, such as a deletion, is
 * refused with `cluster-unavailable` until it is back. Each part says what a loss means for it.
 *
 * A method returns a promise where another process may have to be asked. The path of a cached GET asks nobody.
 */
import type { Digest } from "../domain/digest.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { RobotName } from "../domain/robot.js";

export interface Cluster {
  /**
   * Shared by pushes, exclusive for deletions: no manifest is accepted for what is being deleted, and no cache is filled
   * with what is gone.
   */
  readonly repositoryLocks: Locks<RepositoryName>;
  /**
   * The tag or manifest that a push with a precondition is about: exclusive for that push, so that one that fails has
   * stored nothing. Other pushes share it while they point the tag. Taken while the repository's lock is held.
   */
  readonly targetLocks: Locks<`${RepositoryName}:${Tag}` | `${RepositoryName}@${Digest}`>;
  /** One run of a kind at a time, by the clock or by an operator's command. */
  readonly maintenanceLocks: Locks<"collect" | "verify">;
  readonly changes: Changes;
}

/**
 * Locks by key: many shared holders or one exclusive one, over all nodes.
 *
 * When the engine is lost, holders keep what they hold for a bounded time, and `Hold.confirm` throws after it. `shared`
 * goes on without the engine, since nobody can be given an exclusive hold. `exclusive` rejects with `cluster-unavailable`,
 * also for a while after the engine is back: until every hold from before the loss has ended or cannot be confirmed any
 * more. The holds of a node that dies end in the same way.
 */
export interface Locks<Key extends string> {
  /** Runs `work` while nobody holds `key` exclusively. Holders that come later do not overtake waiting ones. */
  shared<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T>;
  /** Runs `work` while nobody else holds `key`. The hold ends with `work`, also if that rejects. */
  exclusive<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T>;
  /** Keys that this node holds or waits for. */
  readonly size: number;
}

/** A lock that is held. A function that takes one may only be called by its holder. */
export interface Hold {
  /**
   * Throws `cluster-unavailable` if somebody else may have been given the lock since. To be called before each step that
   * cannot be taken back. Asks nobody.
   */
  confirm(): void;
}

/** What happened to the registry's content. Nodes drop what they cached of it, and ask the storage. */
export type Change =
  | { readonly kind: "tag-pointed"; readonly name: RepositoryName; readonly tag: Tag }
  | { readonly kind: "tag-removed"; readonly name: RepositoryName; readonly tag: Tag }
  /** A change failed halfway: only the storage knows whether the tag is there, and where it points. */
  | { readonly kind: "tag-unsure"; readonly name: RepositoryName; readonly tag: Tag }
  | { readonly kind: "manifest-deleted"; readonly name: RepositoryName; readonly digest: Digest }
  | { readonly kind: "blob-deleted"; readonly name: RepositoryName; readonly digest: Digest }
  | { readonly kind: "repository-emptied"; readonly name: RepositoryName }
  /** Damaged bytes of some digest were replaced, in every repository. */
  | { readonly kind: "blobs-healed" }
  /** A robot was made, changed or revoked. */
  | { readonly kind: "robot-changed"; readonly robot: RobotName };

/**
 * Changes may have been missed, so everything that was cached may be wrong. Told when the engine was out of reach or was
 * emptied, and when a node died: it may have changed the storage and not have published that.
 */
export interface ChangesLost {
  readonly kind: "lost";
}

/** Whether this node published a change, or another one. */
export type Origin = "here" | "elsewhere";

export type ChangeListener = (change: Change | ChangesLost, origin: Origin) => Promise<void> | undefined;

/**
 * Publishing and subscribing. A change says what to look at again and not what is there now, so that the order in which
 * nodes hear of two changes decides nothing. Changes that were published one after the other, under an exclusive lock and
 * a lock that excludes it, arrive everywhere in that order.
 */
export interface Changes {
  /**
   * Tells all nodes of a change. The listeners of this node are called before this returns. When it resolves, no node
   * answers from what it cached before the change: its listeners have ended, or it has been out of touch for so long that
   * it was told `lost`. Returns `undefined` if nobody has to be waited for. Rejects if a listener does, when all have
   * ended.
   */
  publish(change: Change): Promise<void> | undefined;
  /** Calls `listener` with each change from now on, until the function returned is called. It must not throw. */
  subscribe(listener: ChangeListener): () => void;
}
