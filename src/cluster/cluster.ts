/**
 * The cluster port: the state that the nodes of one registry share while they run. test/contract/cluster.ts tests each of
 * these promises on every implementation.
 *
 * The cluster never holds the truth. Blobs, manifests, tags and referrers are in the storage, which protects them with its
 * own conditional writes. The engine behind this port may be killed, emptied or cut off at any moment. Then no acknowledged
 * change is lost, pushes and pulls continue, and an operation that needs the engine, such as a deletion, is refused with
 * `cluster-unavailable` until the engine is back. Each part documents the effect of a loss.
 *
 * A method returns a promise if it may have to ask another process. A cached GET asks no other process.
 */
import type { Digest } from "../domain/digest.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { RobotName } from "../domain/robot.js";
import type { SessionId } from "../domain/session-id.js";
import type { WebSessionId } from "../domain/web-session-id.js";
import type { UploadRecord } from "../storage/storage.js";

export interface Cluster {
  readonly uploads: Uploads;
  /**
   * Pushes share it, deletions hold it exclusively: no manifest can name an object that is being deleted, and no cache is
   * filled with a deleted object.
   */
  readonly repositoryLocks: Locks<RepositoryName>;
  /**
   * Locks the tag or manifest of a push with a precondition: exclusive for that push, so that a failing one stores nothing.
   * Other pushes share it while they point the tag. Taken while the repository's lock is held.
   */
  readonly targetLocks: Locks<`${RepositoryName}:${Tag}` | `${RepositoryName}@${Digest}`>;
  /** Allows one run of each kind at a time, started by the clock or by an operator's command. */
  readonly maintenanceLocks: Locks<"collect" | "verify" | "evict">;
  readonly leases: Leases;
  readonly changes: Changes;
  /**
   * Runs `work`, unless a call with the same key is running on any node; then waits for that one instead. Resolves when the
   * work has ended, and rejects if it failed. It returns no result, because the cluster holds no truth: `work` leaves its
   * result in the storage, or in its node's memory. If the engine is lost meanwhile, the work may run once on each node, so
   * running it twice must be harmless. If the node that runs it dies, or rejects with `Abandoned`, a node that waits runs
   * it; over Valkey also if it tells nothing new for minutes.
   *
   * With `onNote`, a caller that waits watches: it receives what the work tells. Notes may be lost, except that the last one
   * is received before this resolves, unless the engine or the other node is lost.
   */
  once(
    key: string,
    work: (reporter: Reporter) => Promise<void>,
    onNote?: (note: string) => void,
  ): Promise<void>;
  readonly hints: Hints;
}

/** Work that runs once rejects with this if its node stops: the work has not failed, and another node may do it. */
export class Abandoned extends Error {
  override readonly name = "Abandoned";
}

/** Reports the progress of work that runs once to those that wait for it. */
export interface Reporter {
  /** Whether another caller watches. Remains true for seconds after the last one has gone. */
  readonly isWatched: boolean;
  /** Sends a note of at most `noteCharactersMax` characters to all that watch, now or later. */
  report(note: string): void;
}

export const noteCharactersMax = 1_000;

/**
 * Small facts that spare other nodes a question to somebody else, such as when a tag was last compared with its upstream.
 * Lost with the engine, so nothing may depend on one but that question.
 */
export interface Hints {
  /** Resolves with `undefined` if there is none, or if the engine does not answer. */
  get(key: string): Promise<string | undefined>;
  /** Other nodes see it from soon on, for `milliseconds` at most. */
  put(key: string, value: string, milliseconds: number): void;
}

/** The name by which other nodes reach a node. */
export type NodeName = `node:${string}`;

/** The state of a session without bytes, which only its owner knows. */
export interface HandedOver {
  readonly record: UploadRecord;
  /** Milliseconds since the epoch. */
  readonly touchedAt: number;
}

/** A claim: this node owns the session now, another node keeps it, or the session has ended. */
export type Claimed =
  | { readonly owner: NodeName | "ended" }
  | {
      readonly owner: "here";
      /** The state from the previous owner, if that has any. */
      readonly handedOver?: HandedOver;
      /** Whether the previous owner had the session until now, and will not use it any more. */
      readonly isReleased?: true;
      /** Whether another node may have a session of that ID: it could not be asked. Then only found bytes count. */
      readonly isUnsure?: true;
    };

export type ClaimAnswer = HandedOver | "released" | "unknown" | "keep";

/**
 * Records which node owns each upload session. The owner handles the session's requests, one at a time. A node owns the
 * sessions that it opened or claimed, until it releases them. POST, PATCH and PUT at one node need no message.
 *
 * If the engine is lost, nodes continue with their sessions, and two nodes may then both consider themselves the owner. That
 * loses nothing: the storage refuses the append or the commit of the later one. An owner that is not sure (`isSure`) stores
 * the upload again before it answers, because another node may have continued it.
 */
export interface Uploads {
  /** Returns an ID for a session that this node opens. It tells other nodes whom to ask, so opening one sends no message. */
  newId(): SessionId;
  /** Makes this node the owner of a session that it has opened or claimed. Sends no message. */
  own(id: SessionId): void;
  /** Ends this node's ownership, if any. */
  release(id: SessionId): void;
  /** Releases a session that has ended: no node may use its ID again. The storage may have it for a moment more. */
  end(id: SessionId): void;
  /** Whether no other node can have continued a session since this node began to own it. Sends no message. */
  isSure(id: SessionId): boolean;
  /** Resolves with the node that owns the session; `here` for this node. */
  owner(id: SessionId): Promise<NodeName | "here" | undefined>;
  /**
   * Makes this node the owner, unless another node keeps the session; that node must handle the request. If several nodes
   * claim at once, one succeeds. A dead node owns nothing. An owner that is not sure claims again. Rejects with
   * `cluster-unavailable` if another node would have to be asked and the engine is lost.
   */
  claim(id: SessionId): Promise<Claimed>;
  /**
   * Sets the answer to another node's claim of a session that this node owns:
   * - the state to hand over, for a session without bytes;
   * - `released`: this node had the session and has forgotten it, and the claimer recovers it from the storage;
   * - `unknown`: this node does not know the session, or not whether it had it alone;
   * - `keep`: a request is running, or the storage is not shared.
   * After all but the last, this node may not use the session.
   */
  onClaim(answer: (id: SessionId) => ClaimAnswer | Promise<ClaimAnswer>): void;
}

/** A blob or manifest of one repository. */
export type ObjectKey = `${RepositoryName}@${Digest}`;

/**
 * Objects that garbage collection must keep. A client that was told that a blob or manifest exists (201, mount, HEAD, GET)
 * has a lease on it in that repository, because it may go on to push a manifest that names it. While a repository is being
 * collected, pushes note the objects that they name, so that the collector needs the repository's lock only for removals.
 *
 * Each node keeps the leases that it granted, so a cached GET renews one without a message; `condemn` asks all nodes. If
 * leases are lost, with the engine or with a dead node, everything counts as leased for the time of one lease: collection
 * pauses until `pausedUntil`. While the engine is unreachable, `condemn` and `leased` treat everything as leased.
 */
export interface Leases {
  /** Grants a lease from now on. Sends no message. */
  grant(key: ObjectKey): void;
  /** Like `grant`, for an object that is known to exist: keeps a lease that has most of its time left. Sends no message. */
  renew(key: ObjectKey): void;
  /**
   * Resolves with the result of `look`. The object counts as leased during the look, and has a lease afterwards if it was
   * found, so that it cannot be removed in between. If the object is being removed, the look waits for that.
   */
  during<T>(key: ObjectKey, look: () => T | undefined | Promise<T | undefined>): Promise<T | undefined>;
  /** Resolves with those of `digests` that are leased or being looked for on any node. */
  leased(name: RepositoryName, digests: readonly Digest[]): Promise<ReadonlySet<Digest>>;
  /**
   * Runs `removal`, which removes the object, unless the object is leased on any node: then resolves with `leased`. All
   * nodes receive `condemned` before the decision, and none answers from a cache that the object exists until `removal` has
   * ended. The caller holds the repository's lock.
   */
  condemn<T>(name: RepositoryName, digest: Digest, removal: () => Promise<T>): Promise<T | "leased">;
  /**
   * Notes the objects that a manifest being pushed names, and the manifest itself. The caller holds the repository's lock.
   * All that asked for notes have them when this resolves; returns `undefined` if no other node must be asked. Iterates
   * `digests`, which may be expensive, only if somebody asked.
   */
  note(name: RepositoryName, digests: Iterable<Digest>): Promise<void> | undefined;
  /**
   * Runs `work` with the objects noted for the repository meanwhile, on any node. Pushes that began earlier may not have
   * noted theirs: a caller that takes the repository's lock once after `work` has begun has waited for them.
   */
  withNotes<T>(name: RepositoryName, work: (noted: ReadonlySet<Digest>) => Promise<T>): Promise<T>;
  /**
   * Resolves with the time until which everything counts as leased, in milliseconds since the epoch; a past time if only
   * leases count.
   */
  pausedUntil(): Promise<number>;
}

/**
 * Locks by key, across all nodes: many shared holders or one exclusive holder.
 *
 * If the engine is lost, holders keep their holds for a bounded time, after which `Hold.confirm` throws; shared ones for as
 * long as the node reaches the storage, which tells the other nodes that it works. `shared` continues without the engine,
 * because no exclusive hold can be granted. `exclusive` rejects with `cluster-unavailable`, also for a
 * while after the engine is back: until every earlier hold has ended or can no longer be confirmed. The holds of a dead node
 * end in the same way.
 */
export interface Locks<Key extends string> {
  /** Runs `work` while no caller holds `key` exclusively. Later callers do not overtake waiting ones. */
  shared<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T>;
  /** Runs `work` while no other caller holds `key`. The hold ends with `work`, also if that rejects. */
  exclusive<T>(key: Key, work: (hold: Hold) => Promise<T>): Promise<T>;
  /** Keys that this node holds or waits for. */
  readonly size: number;
}

/** A held lock. Only its holder may call a function that takes one. */
export interface Hold {
  /**
   * Throws `cluster-unavailable` if another caller may have been given the lock meanwhile. Call it before each irreversible
   * step. Sends no message.
   */
  confirm(): void;
}

/** A change of the registry's content. Nodes drop what they cached about it, and ask the storage. */
export type Change =
  | { readonly kind: "tag-pointed"; readonly name: RepositoryName; readonly tag: Tag }
  | { readonly kind: "tag-removed"; readonly name: RepositoryName; readonly tag: Tag }
  /** A change failed halfway: only the storage knows whether the tag exists, and its target. */
  | { readonly kind: "tag-unsure"; readonly name: RepositoryName; readonly tag: Tag }
  /** Manifests were pushed to the repository without a tag. A hint, which may come late, and once for many pushes. */
  | { readonly kind: "pushed-untagged"; readonly name: RepositoryName }
  | { readonly kind: "manifest-deleted"; readonly name: RepositoryName; readonly digest: Digest }
  | { readonly kind: "blob-deleted"; readonly name: RepositoryName; readonly digest: Digest }
  /** A blob or manifest is about to be removed: from now on only the storage knows whether it exists. */
  | { readonly kind: "condemned"; readonly name: RepositoryName; readonly digest: Digest }
  | { readonly kind: "repository-emptied"; readonly name: RepositoryName }
  /** Damaged bytes of a digest were replaced, in every repository. */
  | { readonly kind: "blobs-healed" }
  /** A robot was created, changed or revoked. */
  | { readonly kind: "robot-changed"; readonly robot: RobotName }
  /** Somebody logged out of the web page. */
  | { readonly kind: "web-session-ended"; readonly session: WebSessionId };

/** A change of a tag, or of which repositories there are. A node that follows neither need not receive it. */
export type TagChange = Extract<
  Change,
  { kind: "tag-pointed" | "tag-removed" | "tag-unsure" | "pushed-untagged" }
>;

/** One tag, or all tags of one repository. */
export type TagsKey = RepositoryName | `${RepositoryName}:${Tag}`;

/**
 * Changes may have been missed, so every cached entry may be outdated. Sent when the engine was unreachable or emptied, and
 * when a node died, which may have changed the storage without publishing that.
 */
export interface ChangesLost {
  readonly kind: "lost";
  /** If only changes of tags were missed, because this node no longer follows them. */
  readonly of?: "tags";
}

/** Whether this node published a change, or another one. */
export type Origin = "here" | "elsewhere";

export type ChangeListener = (change: Change | ChangesLost, origin: Origin) => Promise<void> | undefined;

/**
 * Publishes changes to all nodes. A change names what to look up again, not its new state, so the order in which nodes
 * receive two changes does not matter. Changes published one after the other, under an exclusive lock and a lock that
 * excludes it, arrive everywhere in that order.
 */
export interface Changes {
  /**
   * Sends a change to all nodes; that of a tag may go only to those that follow it. Calls this node's listeners before it
   * returns. When it resolves, no node answers from an entry that was cached before the change: its listeners have ended, or
   * it was out of touch for so long that it received `lost`. Returns `undefined` if no other node must be waited for. Rejects
   * if a listener does, after all have ended.
   */
  publish(change: Change): Promise<void> | undefined;
  /**
   * Whether this node receives all changes of that kind in time, so that it may answer from caches of it. Otherwise it must
   * ask the storage each time. `content` is which blobs and manifests exist, `tags` is where tags point. Sends no message.
   */
  knows(what: "content" | "tags"): boolean;
  /** Like `knows("tags")`, for one tag or one repository. A value may be cached only if this was true before it was read. */
  knowsTags(of: TagsKey): boolean;
  /** Begins to receive changes of these tags: soon after, `knowsTags` returns true. Waits for no message. */
  follow(of: TagsKey): void;
  /**
   * Begins to receive all changes of tags, before the returned promise resolves and until some minutes after the last call.
   * Then this node receives `lost`. Returns `undefined` if it receives them already.
   */
  followAll(): Promise<void> | undefined;
  /**
   * Calls `listener` with each change from now on that this node publishes or receives, until the returned function is called.
   * The listener must not throw.
   */
  subscribe(listener: ChangeListener): () => void;
}
