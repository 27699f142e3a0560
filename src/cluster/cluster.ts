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
import type { SessionId } from "../domain/session-id.js";
import type { UploadRecord } from "../storage/storage.js";

export interface Cluster {
  readonly uploads: Uploads;
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
  readonly leases: Leases;
  readonly changes: Changes;
  /**
   * Runs `work` unless a call with the same key is at work on any node; then waits for that one instead. Resolves when
   * the work has ended, and rejects if it failed. Carries no result, since the cluster holds no truth: `work` leaves its
   * result in the storage, or in the memory of its node. If the engine is lost meanwhile, work may run once on each node,
   * so it must do no harm twice.
   */
  once(key: string, work: () => Promise<void>): Promise<void>;
}

/** A node by the name that the others reach it by. */
export type NodeName = `node:${string}`;

/** What the owner of a session without bytes knows of it, and no storage does. */
export interface HandedOver {
  readonly record: UploadRecord;
  /** Milliseconds since the epoch. */
  readonly touchedAt: number;
}

/**
 * Which node owns an upload session: its requests are worked on there, one at a time. A node owns the sessions that it
 * opened or claimed, until it releases them. POST, PATCH and PUT at one node need no message.
 *
 * When the engine is lost, nodes go on with the sessions that they have. Two nodes may then believe that they own one.
 * That loses nothing: the storage refuses the append or the commit of the later one.
 */
export interface Uploads {
  /** Makes this node the owner of a session that it has opened or taken up. Asks nobody. */
  own(id: SessionId): void;
  /** Ends the ownership of this node, if it has it. Asks nobody. */
  release(id: SessionId): void;
  /** The node that owns the session; `here` if that is this one. */
  owner(id: SessionId): Promise<NodeName | "here" | undefined>;
  /**
   * Makes this node the owner, and resolves with `here` and what the owner before handed over. Resolves with the name of
   * another node if that keeps the session: the request belongs there. Of several nodes that claim at once, one gets it.
   * A node that has died owns nothing.
   */
  claim(
    id: SessionId,
  ): Promise<{ readonly owner: NodeName } | { readonly owner: "here"; readonly handedOver?: HandedOver }>;
  /**
   * Sets what this node answers if another one claims a session that it owns: what it hands over, and then it may not use
   * the session any more, or `keep` if the session has bytes or a request is at work.
   */
  onClaim(answer: (id: SessionId) => HandedOver | "keep"): void;
}

/** A blob or manifest of one repository. */
export type ObjectKey = `${RepositoryName}@${Digest}`;

/**
 * What garbage collection must leave alone. A client that was told that a blob or manifest exists (201, mount, HEAD, GET)
 * has a lease on it in that repository: it may go on to push a manifest that names it. While a repository is being
 * collected, pushes note what they name, so that the collector needs the repository's lock only while it removes.
 *
 * Leases are kept by the node that granted them: a cached GET renews one without a message. `condemn` asks all nodes.
 * When leases are lost, with the engine or with a node that died, everything counts as leased for the time of one lease:
 * collection pauses, and `pausedUntil` says so. While the engine is out of reach, `condemn` and `leased` treat everything
 * as leased.
 */
export interface Leases {
  /** Grants a lease from now on. Asks nobody. */
  grant(key: ObjectKey): void;
  /** The same for an object that is known to exist: a lease that has most of its time left will do. Asks nobody. */
  renew(key: ObjectKey): void;
  /**
   * Resolves with what `look` finds. The object counts as leased during the look, and has a lease from then on if it was
   * found, so that there is no moment at which it could go. If the object is being removed, the look waits for that.
   */
  during<T>(key: ObjectKey, look: () => T | undefined | Promise<T | undefined>): Promise<T | undefined>;
  /** Those of `digests` that are leased, or looked for, on any node. */
  leased(name: RepositoryName, digests: readonly Digest[]): Promise<ReadonlySet<Digest>>;
  /**
   * Runs `removal`, which removes the object, unless the object is leased on any node: then resolves with `leased`. All
   * nodes are told `condemned` before it is decided, and nobody answers from a cache that the object exists until
   * `removal` has ended. The caller holds the repository's lock.
   */
  condemn<T>(name: RepositoryName, digest: Digest, removal: () => Promise<T>): Promise<T | "leased">;
  /**
   * Notes what a manifest that is being pushed names, itself included. The caller holds the repository's lock. All
   * journals have it when this resolves; `undefined` if nobody has to be waited for. `digests` is read only if there is a
   * journal: it may be expensive.
   */
  note(name: RepositoryName, digests: Iterable<Digest>): Promise<void> | undefined;
  /**
   * Runs `work` with what is noted of the repository meanwhile, on any node. Pushes that began earlier may not have
   * noted it: who takes the repository's lock once after the journal has begun has waited for them.
   */
  withJournal<T>(name: RepositoryName, work: (noted: ReadonlySet<Digest>) => Promise<T>): Promise<T>;
  /** Until when everything counts as leased, in milliseconds since the epoch; a time that is over if only leases do. */
  pausedUntil(): Promise<number>;
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
  /** A blob or manifest is about to be removed: from now on only the storage knows whether it is there. */
  | { readonly kind: "condemned"; readonly name: RepositoryName; readonly digest: Digest }
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
