/**
 * The storage port: what the registry asks of any storage, in the domain's words. test/contract/storage.ts tests each
 * of these promises on every driver. All drivers promise:
 *
 * - The change of a method that has resolved survives a crash, unless the driver is configured otherwise.
 * - Nothing half-written is ever visible. Readers see what was there before a write, or all of the write.
 * - Failures are `storage-full`, `storage-read-only`, `storage-failed`, or `storage-unavailable` for one that may pass, and the
 *   errors that a method names.
 * - If another kind of object has the place of a blob, manifest, tag or referrer, that counts as absent, and hides no others.
 *
 * Nothing above the port may assume a local path, a hard link or a single process.
 */

import type { Annotations } from "../domain/descriptor.js";
import type { Algorithm, Digest } from "../domain/digest.js";
import type { Precondition } from "../domain/precondition.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Robot, RobotName } from "../domain/robot.js";
import type { SessionId } from "../domain/session-id.js";
import type { HistoryBounds, TagEntry, TagHistory, TagNote } from "../domain/tag-history.js";
import type { Durations } from "../lib/durations.js";
import type { ScratchFile } from "../lib/held-bytes.js";
import type { HitCounts } from "../lib/hit-counts.js";
import type { SlabPart } from "../lib/slab-pool.js";
import type { Spans } from "../lib/spans.js";
import type { DiskOperations } from "./disk-operations.js";
import type { Adopter } from "./outside.js";

/** A blob opened for reading. Positions and sizes are bytes. */
export interface BlobReader {
  readonly size: number;
  /** Fills `into` from `position` on; returns fewer bytes only at the end of the blob. */
  read(into: Uint8Array, position: number): Promise<number>;
  /**
   * Whether a read at the position waits for the store, which does not read ahead by itself: then several reads at once are
   * faster than one after the other. Absent if unknown.
   */
  waitsAt?(position: number): boolean;
  close(): Promise<void>;
}

/** The owner of an upload: a repository, and the client that opened it, as named by the HTTP layer. */
export interface UploadOwner {
  readonly name: RepositoryName;
  readonly opener: string;
}

export interface UploadRecord extends UploadOwner {
  /** The client whose limits the upload counts against: the opener, or the network of an anonymous one. */
  readonly client: string;
  readonly algorithm: Algorithm;
  /** Whether the client has named the algorithm. */
  readonly announced: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** End times of the steps of one call, in milliseconds by the clock of `lib/clock`. */
export interface UploadTimes {
  /** When the call started to run. */
  readonly startedAt: number;
  /** When the upload was open, and rehashed if the thread did not hold it. */
  readonly openedAt: number;
  /** When bytes of the upload were last hashed: before `openedAt` if this call had nothing to hash. */
  readonly hashedAt: number;
  /** When the part was written, in parallel with the hashing. */
  readonly writtenAt: number;
  /** When all bytes were on stable storage; only for a seal. */
  readonly syncedAt?: number;
  /** When the storage had tried to make it a blob in the same step. */
  readonly placedAt?: number;
}

/** The end of an upload: its last bytes, if any, and the number of bytes before them. */
export interface Tail {
  readonly offset: number;
  readonly part: SlabPart | undefined;
}

export interface Commit {
  /** Whether the upload replaced damaged bytes of this digest, in every repository. */
  readonly healed: boolean;
  /** Present if the commit sealed the upload. */
  readonly times: UploadTimes | undefined;
}

/**
 * The bytes of one upload, owned by the storage. The caller may reuse a part of the shared memory when the call with that
 * part has settled. Calls for one upload run in the order in which they are made.
 */
export interface Upload {
  /** The hash algorithm. May change while there are no bytes. */
  algorithm: Algorithm;
  /** Whether it can only be aborted: a hanging operation may still write to it, or some of its bytes are lost or a blob's. */
  readonly isLost: boolean;
  /**
   * Adds bytes after the first `offset` bytes, and drops later ones. Does not make them durable. `isLast` is a
   * hint for the choice of a worker: the request has no more bytes, as far as the caller knows.
   */
  append(part: SlabPart, offset: number, isLast?: boolean): Promise<UploadTimes>;
  /**
   * Stores an upload that survives with its first `offset` bytes, all of which have been appended: it can be recovered with
   * them after a crash of the process, by any node if the uploads are shared. Call it at the end of each request.
   */
  flush(offset: number): Promise<void>;
  /**
   * Ends the upload. When this resolves, its bytes are on stable storage and have the digest. Rejects with
   * `digest-mismatch`.
   */
  seal(expected: Digest, tail: Tail): Promise<UploadTimes>;
  /**
   * Makes the upload the blob `digest` of the repository. With `tail`, it seals the upload first. Consumes the upload when
   * it resolves. If it or `seal` rejects, the upload must be truncated, after which it can be continued, or aborted.
   */
  commit(name: RepositoryName, digest: Digest, tail?: Tail, spans?: Spans): Promise<Commit>;
  /**
   * Frees the space after the first `bytes`. No call may be running. Resolves with the number of bytes that remain: fewer if
   * the storage can only return to the end of an earlier request. If it cannot return to any, rejects, and the upload is lost.
   */
  truncate(bytes: number): Promise<number>;
  /** Removes the upload's data. */
  abort(): Promise<void>;
  /** Frees the memory of a shared upload, which another node continues from what `flush` has stored. */
  release?(): Promise<void>;
  /**
   * Whether another node may have it too, because it did not say that it hands it over, or a commit that has failed may have made
   * its data that of a blob.
   */
  readonly isShared?: boolean;
  /** Whether another node would take it for a blob, after a commit that has failed, until it is flushed again. */
  readonly isOnlyHere?: boolean;
}

export interface RecoveredUpload extends UploadRecord {
  readonly upload: Upload;
  /** Number of stored bytes. */
  readonly received: number;
  /** When bytes were last written, in milliseconds since the epoch. */
  readonly touchedAt: number;
}

export interface BlobUsage {
  /** In bytes. */
  readonly size: number;
  /** Whether other repositories share the content, so that removing this blob frees nothing. */
  readonly shared: boolean;
  /** Whether its bytes are among the `contents`, rather than a copy of this repository only. */
  readonly isContent: boolean;
}

/** The bytes of a digest, stored once for all repositories that have the blob. */
export interface Content {
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
}

/** A content that no repository has. */
export interface Orphan extends Content {
  /** Present if it is not freed before this time, in milliseconds since the epoch, because a push may still share it. */
  readonly keptUntil?: number;
}

/** An address of a blob outside of this registry. */
export interface BlobUrl {
  readonly url: string;
  /** In bytes. */
  readonly size: number;
  /** Until when it can be used at least, in milliseconds since the epoch. */
  readonly until: number;
}

export interface BlobStore {
  /** Resolves with the size in bytes, or with `undefined` if the repository has no such blob. */
  size(name: RepositoryName, digest: Digest): Promise<number | undefined>;
  /** Opens a blob for reading. An open reader can read to the end even if the blob is removed meanwhile. */
  open(name: RepositoryName, digest: Digest): Promise<BlobReader | undefined>;
  /**
   * Resolves with an address from which clients can read the blob for some time, or with `undefined` if the repository has no
   * such blob. Absent if clients can only read through this registry.
   */
  readonly url?: (name: RepositoryName, digest: Digest) => Promise<BlobUrl | undefined>;
  /**
   * Adds a blob that `from` has (any repository, if `from` is absent) to `to`, without copying bytes if content is shared.
   * Resolves with its size in bytes, or with `undefined` if it was not found.
   */
  mount(digest: Digest, to: RepositoryName, from?: RepositoryName): Promise<number | undefined>;
  /**
   * Removes a repository's blob. Resolves with the bytes that this freed, 0 if another repository has the content or if
   * `removeOrphan` frees it later, or with `undefined` if the repository has no such blob.
   */
  remove(name: RepositoryName, digest: Digest): Promise<number | undefined>;
  /** In no order. Rejects if the repository's blobs cannot all be listed. */
  list(name: RepositoryName): Promise<Digest[]>;
  /** Yields the size of each of `digests` that exists, in their order. Costs less than `usages`. */
  sizes(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number>;
  /** Yields an entry for each of `digests` that exists, in their order. */
  usages(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<BlobUsage>;
  /**
   * Yields all contents, each once, including those that no repository has. Yields none if the storage does not share
   * content.
   */
  contents(): AsyncIterable<Content>;
  /** Yields the contents that no repository has and that a removal frees, now or later. */
  orphans(): AsyncIterable<Orphan>;
  /** Removes a content if no repository has it. Resolves with the bytes freed, otherwise with `undefined`. */
  removeOrphan(digest: Digest): Promise<number | undefined>;
  /** Reads a content again. Resolves with whether its bytes have its digest, or with `undefined` if there is none. */
  checkContent(digest: Digest): Promise<boolean | undefined>;
  /**
   * Like `checkContent`, for a repository's blob; `content` if its bytes are the shared content, whose check covers all
   * repositories.
   */
  check(name: RepositoryName, digest: Digest): Promise<boolean | "content" | undefined>;
}

export interface ManifestStore {
  /** Resolves with the bytes as written; `unreadable` if the storage has another kind of object in their place. */
  read(name: RepositoryName, digest: Digest): Promise<Buffer | "unreadable" | undefined>;
  /** Resolves with the size in bytes, or with `undefined` if the repository has no such manifest. */
  size(name: RepositoryName, digest: Digest): Promise<number | undefined>;
  /** Yields an entry for each of `digests` that exists, in their order. */
  sizes(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number>;
  /** In no order. Rejects if the repository's manifests cannot all be listed. */
  list(name: RepositoryName): Promise<Digest[]>;
  /** Yields when each of `digests` was first pushed, in milliseconds since the epoch; `undefined` for missing ones. */
  pushedAt(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number | undefined>;
  /** Stores the manifest, and replaces damaged bytes. From then on the repository is in the catalog. */
  write(name: RepositoryName, digest: Digest, bytes: Uint8Array, spans?: Spans): Promise<void>;
  /** Resolves with whether it existed. */
  remove(name: RepositoryName, digest: Digest): Promise<boolean>;
}

export interface TagStore {
  /** Reads only the tag's pointer. Resolves with `undefined` if there is no such tag, or if it is damaged. */
  resolve(name: RepositoryName, tag: Tag): Promise<Digest | undefined>;
  /**
   * Repairs what a crash has left beside the pointer. `digest` is the tag's target. Does nothing if nothing is broken, and
   * never rejects, because only the pointer decides.
   */
  mend(name: RepositoryName, tag: Tag, digest: Digest): Promise<void>;
  /**
   * Points the tag to a manifest that the repository has. Atomic: concurrent callers move the tag one after the other, and
   * it points to the target of one of them. Does not move the tag if the condition forbids it. The change and its entry in
   * the tag's history are one: if this resolves, both survive a crash.
   */
  point(
    name: RepositoryName,
    tag: Tag,
    digest: Digest,
    condition: PointCondition,
    push?: TagPush,
  ): Promise<PointResult>;
  /**
   * Yields the targets of those of `tags`, or of all, that exist, in no order. Many cost little more than one. Rejects if
   * all are requested and the repository's tags cannot all be listed.
   */
  targets(name: RepositoryName, tags?: readonly Tag[]): AsyncIterable<TagTarget>;
  /** Like `targets`, with the times of use. */
  times(name: RepositoryName, tags?: readonly Tag[]): AsyncIterable<TimedTag>;
  /** Stores when the tag was last pulled. Ignores a missing tag, and does not create it. */
  setPulledAt(name: RepositoryName, tag: Tag, at: number): Promise<void>;
  /** Resolves with whether it existed. With `note` its history remains, with an entry for the removal. */
  remove(name: RepositoryName, tag: Tag, note?: TagNote): Promise<boolean>;
  /** Resolves with all tags in ASCII order, or with `undefined` if the repository is not in the catalog. */
  list(name: RepositoryName): Promise<Tag[] | undefined>;
  /**
   * Resolves with the target of one tag. Unlike `resolve`, it distinguishes a damaged tag, whose `digest` is absent, from a
   * missing one, which is `undefined`. Rejects if the storage cannot read it.
   */
  inspect(name: RepositoryName, tag: Tag): Promise<TagTarget | undefined>;
}

export interface TagPush {
  /** When the tag counts as pushed, in milliseconds since the epoch, if not now: it comes from another store. */
  readonly pushedAt?: number | undefined;
  /** Absent if no history is kept. */
  readonly note?: TagNote | undefined;
}

export interface HistoryStore {
  /**
   * Yields what the tag has pointed to, newest first, beginning with the current target if the tag exists, even if its entry is
   * missing. Pointing a tag to the target that it has already adds nothing. Entries beyond the bounds may be among them.
   */
  list(name: RepositoryName, tag: Tag): AsyncIterable<TagEntry>;
  /** Yields the tags that have a history but do not exist, in ASCII order, after `after`. */
  removed(name: RepositoryName, after?: string): AsyncIterable<Tag>;
  /**
   * Yields the stored histories of the repository's tags, also of removed ones, in no order. Many cost little more than one.
   * Unlike `list`, does not look at the current targets.
   */
  all(name: RepositoryName): AsyncIterable<TagHistory>;
  /** Removes the entries beyond the bounds, of all tags of the repository. Resolves with their number. */
  prune(name: RepositoryName, bounds: HistoryBounds): Promise<number>;
}

export interface TagTarget {
  readonly tag: Tag;
  /** Absent if the tag is damaged, so that its target is unknown. */
  readonly digest?: Digest;
}

export interface TimedTag {
  readonly tag: Tag;
  /** In milliseconds since the epoch; absent if unknown. */
  readonly times?: { readonly pushedAt: number; readonly pulledAt: number | undefined };
}

/** The condition for pointing a tag. */
export interface PointCondition {
  /** Whether a tag that points to another manifest may be moved. */
  readonly movable: boolean;
  /** The required or forbidden current targets. */
  readonly precondition?: Precondition | undefined;
}

/** If both apply, the result is `precondition-failed`. */
export type PointResult = "pointed" | "immovable" | "precondition-failed";

/** A manifest that names another as its subject, as the referrers API lists it. */
export interface Referrer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Annotations;
}

export interface ReferrerStore {
  /** Replaces an entry of the same digest. */
  add(name: RepositoryName, subject: Digest, referrer: Referrer): Promise<void>;
  /** Does nothing if the entry is missing. */
  remove(name: RepositoryName, subject: Digest, referrer: Digest): Promise<void>;
  /** Yields entries in order of digest, after `after`. Lazy: reading a page costs a page. Omits damaged entries. */
  list(name: RepositoryName, subject: Digest, after?: Digest): AsyncIterable<Referrer>;
  /** Resolves with whether there is an entry, even a damaged one. */
  has(name: RepositoryName, subject: Digest, referrer: Digest): Promise<boolean>;
  /** Resolves with one entry, or with `undefined` if it is missing or damaged. */
  find(name: RepositoryName, subject: Digest, referrer: Digest): Promise<Referrer | undefined>;
  /** Yields all entries of the repository, including those whose manifest is missing. */
  all(name: RepositoryName): AsyncIterable<{ readonly subject: Digest; readonly referrer: Digest }>;
}

export interface RepositoryStore {
  /**
   * Yields the catalog: the repositories that have, or had, a manifest, in ASCII order, after `after`. Lazy, `atOnce` at a
   * time: reading a page costs a page.
   */
  list(after?: string, atOnce?: number): AsyncIterable<RepositoryName>;
  /** Yields all repositories in no order, including those with only blobs. */
  all(): AsyncIterable<RepositoryName>;
  /**
   * Yields repositories without tags, manifests, referrers and blobs that still take space or a place in the catalog. The
   * history of removed tags does not count, and goes with the repository.
   */
  empty(): AsyncIterable<RepositoryName>;
  /** Removes a repository if it is still empty, and resolves with whether it was. No push to it may run meanwhile. */
  removeEmpty(name: RepositoryName): Promise<boolean>;
}

export interface UploadHints {
  /** Whether the upload is recovered after a crash once it has been flushed; otherwise a crash removes it. */
  readonly survives: boolean;
  /** Whether several requests are likely to bring its bytes. */
  readonly inChunks?: boolean;
}

export interface UploadStore {
  /** Whether any node can recover an upload that another node has flushed. */
  readonly isShared: boolean;
  /** Opens a file for bytes that wait for an upload. It disappears when it is closed, and after a crash. */
  openScratchFile(): ScratchFile;
  /** Returns a new upload, without a call to the storage. */
  begin(id: SessionId, record: UploadRecord, hints: UploadHints): Upload;
  /**
   * Returns an upload that an earlier process or another node began. `isReleased` says that the node that had it has handed it
   * over, so that nobody else can go on with it.
   */
  recover(id: SessionId, isReleased?: boolean): Promise<RecoveredUpload | undefined>;
  /**
   * Yields uploads without a write since `before`, in milliseconds since the epoch. Removes those that the storage keeps in
   * another form, and yields none of them here or in `all`.
   */
  abandoned(before: number): AsyncIterable<SessionId>;
  /** Yields all uploads that can be recovered. `bytes` is the number of bytes received. */
  all(): AsyncIterable<{ readonly id: SessionId; readonly bytes: number }>;
  /** Removes the remains of an earlier process's upload. Ignores a missing one. */
  remove(id: SessionId): Promise<void>;
}

/**
 * Bytes of blobs that are still arriving at one node, for the other nodes. They are no content: each is removed when the fetch
 * ends, or with the abandoned uploads.
 */
export interface SliceStore {
  /** Stores the bytes of a fetch that begin at `position`, at most `sliceBytesMax`. */
  put(fetch: string, position: number, bytes: Uint8Array): Promise<void>;
  /** Resolves with the slice that begins there, or with `undefined` if it is gone. */
  read(fetch: string, position: number): Promise<Uint8Array | undefined>;
  /** Removes these slices soon. Nobody waits for it. */
  remove(fetch: string, positions: Iterable<number>): void;
}

export const sliceBytesMax = 8 * 1024 * 1024;

/** Small internal notes of the registry that survive a restart. */
export interface NoteStore {
  /** Resolves with the note, or with `undefined` if there is none. */
  read(name: string): Promise<Buffer | undefined>;
  /** Removes the note and resolves with it, or with `undefined` if there is none. */
  take(name: string): Promise<Buffer | undefined>;
  /** Replaces a note of that name. */
  put(name: string, bytes: Uint8Array): Promise<void>;
}

/** Internal secrets of the registry. */
export interface SecretStore {
  /**
   * Resolves with the secret of that name. If there is none, first stores the result of `make`. All callers get the same
   * secret.
   */
  secret(name: string, make: () => Uint8Array): Promise<Buffer>;
}

export interface RobotStore {
  /** Yields all robots in no order. */
  all(): AsyncIterable<Robot>;
  /** Adds the robot, or replaces the one of that name. */
  put(robot: Robot): Promise<void>;
  /** Resolves with whether it existed. */
  remove(name: RobotName): Promise<boolean>;
}

/** In bytes. */
export interface Space {
  readonly totalBytes: number;
  /** Bytes that the registry may still use. */
  readonly freeBytes: number;
}

/** The disk or service of the storage. */
export interface Volume {
  /** Writes a file durably and removes it again. Rejects if that fails. */
  probe(): Promise<void>;
  /** Resolves with `undefined` if there is no limit. */
  space(): Promise<Space | undefined>;
}

export interface ContentTotal {
  readonly contents: number;
  readonly bytes: number;
}

/** Counts of a driver's own work. */
export interface StorageMeasures {
  /** How long syncs to stable storage took, by what was synced. */
  readonly syncs: Readonly<Record<string, Durations>>;
  /** Hit counts by cache. */
  readonly lookups: Readonly<Record<string, HitCounts>>;
  /** The totals of `contents()`, without a walk; `undefined` until they have been counted. */
  readonly contents: ContentTotal | undefined;
  /** Requests sent to the store, with repeated ones, by method. Absent if the store is a directory. */
  readonly requests?: () => Readonly<Record<string, number>>;
}

/** Bytes, and the seconds spent on them. */
export interface Throughput {
  readonly bytes: number;
  readonly seconds: number;
}

/** The worker threads of a storage. */
export interface StorageWorkers {
  /** Resolves when each worker has responded, after its queued tasks. Rejects if there are too few workers. */
  answer(): Promise<void>;
  /** Waiting and running tasks. */
  readonly tasks: number;
  readonly done: WorkMeasures;
}

export interface WorkMeasures {
  /** Successful tasks, by kind. */
  readonly tasks: Readonly<Record<string, number>>;
  /** Seconds that the tasks of uploads have waited for their turn. */
  readonly waitedSeconds: number;
  readonly hashed: Throughput;
  readonly written: Throughput;
  /** Stored bytes that were read to be hashed again. */
  readonly reread: Throughput;
  /** Seconds in which workers were busy, summed over all workers. */
  readonly busySeconds: number;
}

/** A manifest, and what its push changes beside it. */
export interface ManifestWrite {
  readonly bytes: Uint8Array;
  /** Its entry at its subject. */
  readonly entry?: { readonly subject: Digest; readonly referrer: Referrer } | undefined;
  readonly tag?:
    | { readonly tag: Tag; readonly condition: PointCondition; readonly push: TagPush }
    | undefined;
}

export interface ManifestPushStore {
  /**
   * Does as `referrers.add`, `manifests.write` and `tags.point` do: a crash leaves no tag without its manifest, and no
   * manifest without its entry. Resolves with the result of pointing the tag, if there is one.
   */
  push(
    name: RepositoryName,
    digest: Digest,
    write: ManifestWrite,
    spans?: Spans,
  ): Promise<PointResult | undefined>;
}

export interface Storage {
  /** Whether the storage was created when it was opened. */
  readonly fresh: boolean;
  readonly measures: StorageMeasures;
  /** Whether the storage was found to be read-only when it was opened. */
  readonly readOnly: boolean;
  readonly volume: Volume;
  readonly workers: StorageWorkers;
  readonly notes: NoteStore;
  readonly secrets: SecretStore;
  readonly robots: RobotStore;
  readonly blobs: BlobStore;
  readonly manifests: ManifestStore;
  /** Absent if storing a manifest, its entry and its tag at once saves nothing. */
  readonly pushes?: ManifestPushStore;
  readonly tags: TagStore;
  readonly history: HistoryStore;
  readonly referrers: ReferrerStore;
  readonly repositories: RepositoryStore;
  readonly uploads: UploadStore;
  /** Absent if the storage has one node. */
  readonly slices?: SliceStore;
  /** Absent if the storage must receive all bytes. */
  readonly adopter?: Adopter;
  /** Absent if the storage is not a directory on a disk. */
  readonly disk?: DiskOperations;
  /** Ends background work and releases every resource. */
  close(): Promise<void>;
}
