/**
 * The storage port: what the registry asks of any storage, in the domain's words. test/contract/storage.ts tests each
 * of these promises on every driver. All drivers promise:
 *
 * - What a method has resolved for survives a crash, unless the driver is configured otherwise.
 * - Nothing half-written is ever visible. Readers see what was there before a write, or all of the write.
 * - Failures are `storage-full`, `storage-read-only` or `storage-failed`, and the errors that a method names.
 * - Something else in the place of a blob, manifest, tag or referrer counts as absent, and hides nothing else.
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
import type { Durations } from "../lib/durations.js";
import type { ScratchFile } from "../lib/held-bytes.js";
import type { HitCounts } from "../lib/hit-counts.js";
import type { SlabPart } from "../lib/slab-pool.js";
import type { Spans } from "../lib/spans.js";
import type { DiskOperations } from "./disk-operations.js";

/** A blob opened for reading. Positions and sizes are bytes. */
export interface BlobReader {
  readonly size: number;
  /** Fills `into` from `position` on; fewer bytes only where the blob ends. */
  read(into: Uint8Array, position: number): Promise<number>;
  close(): Promise<void>;
}

/** Who owns an upload: a repository, and the client that opened it, as the edge names its callers. */
export interface UploadOwner {
  readonly name: RepositoryName;
  readonly opener: string;
}

export interface UploadRecord extends UploadOwner {
  /** Whose limits the upload counts against: the opener, or the network of an anonymous one. */
  readonly client: string;
  readonly algorithm: Algorithm;
  /** Whether the client has named the algorithm. */
  readonly announced: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** When each step of one call was done, in milliseconds by the clock of `lib/clock`. */
export interface UploadTimes {
  /** When it had its turn. */
  readonly startedAt: number;
  /** When the upload was open, and hashed again if the thread did not hold it. */
  readonly openedAt: number;
  /** When something of the upload was last hashed: before `openedAt` if this call had nothing to hash. */
  readonly hashedAt: number;
  /** When the part was written, which goes on beside the hashing. */
  readonly writtenAt: number;
  /** When all was on stable storage; of a seal only. */
  readonly syncedAt?: number;
  /** When the storage had tried to make it a blob in the same step. */
  readonly placedAt?: number;
}

/** The end of an upload: its last bytes, if there are any, and how many come before them. */
export interface Tail {
  readonly offset: number;
  readonly part: SlabPart | undefined;
}

export interface Commit {
  /** Whether the storage had damaged bytes of this digest, which these have replaced in every repository. */
  readonly healed: boolean;
  /** Present if the commit sealed the upload. */
  readonly times: UploadTimes | undefined;
}

/**
 * The bytes of one upload, on their way into a blob. Owned by the storage. The caller owns a part of the shared memory
 * again when the call that was given it has settled. Calls for one upload run in the order in which they are made.
 */
export interface Upload {
  /** What the bytes are hashed with. May change while there are none. */
  algorithm: Algorithm;
  /** Whether something hangs that may still write to the upload: it can only be aborted. */
  readonly isLost: boolean;
  /** Adds bytes behind the first `offset`, and drops what is beyond. Does not make them durable. */
  append(part: SlabPart, offset: number): Promise<UploadTimes>;
  /** Ends the upload: its bytes are on stable storage and have the digest. Rejects with `digest-mismatch`. */
  seal(expected: Digest, tail: Tail): Promise<UploadTimes>;
  /**
   * Makes the upload the blob `digest` of the repository. With `tail` it seals the upload first. The upload is used up
   * when this resolves; if it rejects, the upload has to be aborted.
   */
  commit(name: RepositoryName, digest: Digest, tail?: Tail, spans?: Spans): Promise<Commit>;
  /** Frees the room that it takes behind its first `bytes`. No call may be at work. */
  truncate(bytes: number): Promise<void>;
  /** Removes what there is of it. */
  abort(): Promise<void>;
}

export interface RecoveredUpload extends UploadRecord {
  readonly upload: Upload;
  /** Bytes that are there. */
  readonly received: number;
  /** When something was last written to it, in milliseconds since the epoch. */
  readonly touchedAt: number;
}

export interface BlobUsage {
  /** In bytes. */
  readonly size: number;
  /** Whether other repositories have the same content, so that removing this blob frees nothing. */
  readonly shared: boolean;
  /** Whether its bytes are one of the `contents`, and not a copy that only this repository has. */
  readonly isContent: boolean;
}

/** The bytes of a digest, which are stored once for all repositories that have the blob. */
export interface Content {
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
}

export interface BlobStore {
  /** Resolves with the size in bytes, `undefined` if the repository has no such blob. */
  size(name: RepositoryName, digest: Digest): Promise<number | undefined>;
  /** Opens a blob for reading. A reader that is open can read to the end even if the blob is removed meanwhile. */
  open(name: RepositoryName, digest: Digest): Promise<BlobReader | undefined>;
  /**
   * Makes a blob that `from` has (any repository, if `from` is absent) a blob of `to` as well, without copying bytes
   * where content is shared. Resolves with its size in bytes, `undefined` if it was not found.
   */
  mount(digest: Digest, to: RepositoryName, from?: RepositoryName): Promise<number | undefined>;
  /**
   * Removes a repository's blob. Resolves with the bytes of storage that this freed, 0 if another repository has the
   * content; `undefined` if the repository has no such blob.
   */
  remove(name: RepositoryName, digest: Digest): Promise<number | undefined>;
  /** In no order. Rejects if the repository's blobs cannot all be listed. */
  list(name: RepositoryName): Promise<Digest[]>;
  /** Of those of `digests` that are there, in their order. */
  usages(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<BlobUsage>;
  /** All contents, each once, also those that no repository has. Yields none if the storage does not share content. */
  contents(): AsyncIterable<Content>;
  /** The contents that no repository has. */
  orphans(): AsyncIterable<Content>;
  /** Removes a content if no repository has it. Resolves with the bytes freed, else `undefined`. */
  removeOrphan(digest: Digest): Promise<number | undefined>;
  /** Re-reads a content. Resolves with whether its bytes have its digest, `undefined` if there is none. */
  checkContent(digest: Digest): Promise<boolean | undefined>;
  /** The same for a repository's blob; `content` if its bytes are the content's, whose check covers all that have it. */
  check(name: RepositoryName, digest: Digest): Promise<boolean | "content" | undefined>;
}

export interface ManifestStore {
  /** The bytes as they were written; `unreadable` if the storage has something else in their place. */
  read(name: RepositoryName, digest: Digest): Promise<Buffer | "unreadable" | undefined>;
  /** Resolves with the size in bytes, `undefined` if the repository has no such manifest. */
  size(name: RepositoryName, digest: Digest): Promise<number | undefined>;
  /** Of those of `digests` that are there, in their order. */
  sizes(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number>;
  /** In no order. Rejects if the repository's manifests cannot all be listed. */
  list(name: RepositoryName): Promise<Digest[]>;
  /** Milliseconds since the epoch at which each of `digests` was first pushed, `undefined` where it is not there. */
  pushedAt(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number | undefined>;
  /** Replaces bytes that differ, which only damage can cause. The repository is in the catalog from then on. */
  write(name: RepositoryName, digest: Digest, bytes: Uint8Array, spans?: Spans): Promise<void>;
  /** Resolves with whether it was there. */
  remove(name: RepositoryName, digest: Digest): Promise<boolean>;
}

export interface TagStore {
  /** Reads the tag's pointer, and nothing else. Resolves with `undefined` if there is no such tag, or it is damaged. */
  resolve(name: RepositoryName, tag: Tag): Promise<Digest | undefined>;
  /**
   * Repairs what a crash has left beside the pointer. `digest` is what the tag points to. Does nothing if nothing is
   * broken, and never rejects: the pointer decides.
   */
  mend(name: RepositoryName, tag: Tag, digest: Digest): Promise<void>;
  /**
   * Points the tag to a manifest that the repository has. Atomic: of several callers one moves the tag after the
   * other, and a tag points to what one of them gave. The tag stays where it points if the condition does not allow
   * the move.
   */
  point(name: RepositoryName, tag: Tag, digest: Digest, condition: PointCondition): Promise<PointResult>;
  /**
   * What those of `tags`, or all, that are there point to. Many cost little more than one. In no order. Rejects if all
   * are asked for and the repository's tags cannot all be listed.
   */
  targets(name: RepositoryName, tags?: readonly Tag[]): AsyncIterable<TagTarget>;
  /** The same with when they were used. */
  times(name: RepositoryName, tags?: readonly Tag[]): AsyncIterable<TimedTag>;
  /** Stores when the tag was last pulled. A missing tag is no error, and is not created. */
  setPulledAt(name: RepositoryName, tag: Tag, at: number): Promise<void>;
  /** Resolves with whether it was there. */
  remove(name: RepositoryName, tag: Tag): Promise<boolean>;
  /** All tags in ASCII order, `undefined` if the repository is not in the catalog. */
  list(name: RepositoryName): Promise<Tag[] | undefined>;
  /**
   * What one tag points to. Unlike `resolve` it tells a damaged tag, whose `digest` is absent, from a missing one, which
   * is `undefined`. Rejects if the storage cannot read it.
   */
  inspect(name: RepositoryName, tag: Tag): Promise<TagTarget | undefined>;
}

export interface TagTarget {
  readonly tag: Tag;
  /** Absent if the tag is damaged, so that nobody can tell what it points to. */
  readonly digest?: Digest;
}

export interface TimedTag {
  readonly tag: Tag;
  /** In milliseconds since the epoch; absent where it cannot be told. */
  readonly times?: { readonly pushedAt: number; readonly pulledAt: number | undefined };
}

/** When a tag may be pointed. */
export interface PointCondition {
  /** Whether a tag that points to another manifest may be moved. */
  readonly movable: boolean;
  /** What it must, or must not, point to. */
  readonly precondition?: Precondition | undefined;
}

/** `precondition-failed` goes before `immovable`. */
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
  /** A missing entry is no error. */
  remove(name: RepositoryName, subject: Digest, referrer: Digest): Promise<void>;
  /** In order of digest, starting behind `after`. Lazy: a page costs a page. Damaged entries are left out. */
  list(name: RepositoryName, subject: Digest, after?: Digest): AsyncIterable<Referrer>;
  /** Resolves with whether there is an entry, even a damaged one. */
  has(name: RepositoryName, subject: Digest, referrer: Digest): Promise<boolean>;
  /** One entry; `undefined` if it is missing or damaged. */
  find(name: RepositoryName, subject: Digest, referrer: Digest): Promise<Referrer | undefined>;
  /** All entries of the repository, including those whose manifest is gone. */
  all(name: RepositoryName): AsyncIterable<{ readonly subject: Digest; readonly referrer: Digest }>;
}

export interface RepositoryStore {
  /**
   * The catalog: repositories that have, or had, a manifest. In ASCII order, starting behind `after`. Lazy, `atOnce` at
   * a time: a page costs a page.
   */
  list(after?: string, atOnce?: number): AsyncIterable<RepositoryName>;
  /** In no order, including those that have only blobs. */
  all(): AsyncIterable<RepositoryName>;
  /** Those that have no tag, manifest, referrer or blob any more, and still take room or a place in the catalog. */
  empty(): AsyncIterable<RepositoryName>;
  /** Removes a repository if it is still empty, and resolves with whether it was. Nobody may push to it meanwhile. */
  removeEmpty(name: RepositoryName): Promise<boolean>;
}

export interface UploadStore {
  /** Opens a file for bytes that wait until an upload takes them. It is gone when it is closed, and after a crash. */
  openScratchFile(): ScratchFile;
  /**
   * Returns a new upload, without a call to the storage. One that `survives` a crash can be recovered once it has bytes;
   * any other is gone then.
   */
  begin(id: SessionId, record: UploadRecord, survives: boolean): Upload;
  /** Returns the upload that an earlier process has begun. */
  recover(id: SessionId): Promise<RecoveredUpload | undefined>;
  /** Uploads that nothing has been written to since `before`, in milliseconds since the epoch. */
  abandoned(before: number): AsyncIterable<SessionId>;
  /** All uploads that can be recovered. Bytes are those received. */
  all(): AsyncIterable<{ readonly id: SessionId; readonly bytes: number }>;
  /** Removes what an upload of an earlier process has left behind. A missing one is no error. */
  remove(id: SessionId): Promise<void>;
}

/** Small notes of the registry's own that outlive the process. */
export interface NoteStore {
  /** Removes the note and resolves with it, `undefined` if there is none. */
  take(name: string): Promise<Buffer | undefined>;
  /** Replaces a note of that name. */
  put(name: string, bytes: Uint8Array): Promise<void>;
}

/** Secrets of the registry's own, for its own eyes. */
export interface SecretStore {
  /** Resolves with the secret of that name. If there is none, first stores what `make` returns. All callers get the same. */
  secret(name: string, make: () => Uint8Array): Promise<Buffer>;
}

export interface RobotStore {
  /** In no order. */
  all(): AsyncIterable<Robot>;
  /** Adds the robot, or replaces the one of that name. */
  put(robot: Robot): Promise<void>;
  /** Resolves with whether it was there. */
  remove(name: RobotName): Promise<boolean>;
}

/** In bytes. */
export interface Space {
  readonly totalBytes: number;
  /** What the registry may still use. */
  readonly freeBytes: number;
}

/** The disk or service that the storage is on. */
export interface Volume {
  /** Writes something durably and removes it again. Rejects if that fails. */
  probe(): Promise<void>;
  /** `undefined` if it has no limit. */
  space(): Promise<Space | undefined>;
}

export interface ContentTotal {
  readonly contents: number;
  readonly bytes: number;
}

/** What a driver counts of its own work. */
export interface StorageMeasures {
  /** How long syncs to stable storage took, by what was synced. */
  readonly syncs: Readonly<Record<string, Durations>>;
  /** By cache. */
  readonly lookups: Readonly<Record<string, HitCounts>>;
  /** What `contents()` yields, without a walk; `undefined` until it has been counted. */
  readonly contents: ContentTotal | undefined;
}

/** Bytes, and the seconds that they took. */
export interface Throughput {
  readonly bytes: number;
  readonly seconds: number;
}

/** The threads that do a storage's work. */
export interface StorageWorkers {
  /** Resolves when each has answered, behind what it has to do. Rejects if there are too few. */
  answer(): Promise<void>;
  /** Tasks that wait or are at work. */
  readonly tasks: number;
  readonly done: WorkMeasures;
}

export interface WorkMeasures {
  /** Tasks that have succeeded, by kind. */
  readonly tasks: Readonly<Record<string, number>>;
  /** Seconds that the tasks of uploads have waited for their turn. */
  readonly waitedSeconds: number;
  readonly hashed: Throughput;
  readonly written: Throughput;
  /** Of stored bytes that were read to be hashed again. */
  readonly reread: Throughput;
  /** Seconds in which a worker had a task at hand, of all workers together. */
  readonly busySeconds: number;
}

export interface Storage {
  /** Whether the storage was created when it was opened. */
  readonly fresh: boolean;
  readonly measures: StorageMeasures;
  /** Whether it was found when the storage was opened that nothing can be written. */
  readonly readOnly: boolean;
  readonly volume: Volume;
  readonly workers: StorageWorkers;
  readonly notes: NoteStore;
  readonly secrets: SecretStore;
  readonly robots: RobotStore;
  readonly blobs: BlobStore;
  readonly manifests: ManifestStore;
  readonly tags: TagStore;
  readonly referrers: ReferrerStore;
  readonly repositories: RepositoryStore;
  readonly uploads: UploadStore;
  /** Absent if the storage is no folder on a disk. */
  readonly disk?: DiskOperations;
  /** Ends background work and releases every resource. */
  close(): Promise<void>;
}
