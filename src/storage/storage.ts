/**
 * The storage port: what the registry asks of any storage, in the domain's words. A driver promises
 * that whatever a method has resolved for survives a crash (unless it is set up otherwise), that nothing
 * half-made is ever visible, and that failures are `storage-full`, `storage-read-only` or `storage-failed`.
 * What does not belong there hides nothing else. Nothing above may assume a local path, a hard link or a single process.
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
import type { ContentTally } from "./content-tally.js";

/** A blob opened for reading. Positions and sizes are bytes. */
export interface BlobReader {
  readonly size: number;
  /** Fills `into` from `position` on; fewer bytes only where the blob ends. */
  read(into: Uint8Array, position: number): Promise<number>;
  close(): Promise<void>;
}

/**
 * Bytes that lie outside of the storage, where a driver may be able to take them over without a copy. Made by
 * whoever knows the place, opaque to all between.
 */
export interface OutsideFile {
  readonly file: string;
}

/** How a driver took bytes over: it shares them with the place outside, or has a copy of its own. */
export type Adoption = "linked" | "cloned" | "copied";

/** Whose an upload is: the repository's, and its opener's, as the edge knows its callers. */
export interface UploadOwner {
  readonly name: RepositoryName;
  readonly opener: string;
}

export interface UploadRecord extends UploadOwner {
  /** Whom the upload counts for: the opener, or the network of one who is anonymous. */
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
  /** Whether other repositories share its content. */
  readonly shared: boolean;
  /** Whether its bytes are not among the contents, but the repository's alone. */
  readonly own: boolean;
}

export interface Content {
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
  /** Names that it has, its own included. */
  readonly links: number;
}

export interface BlobStore {
  /** Size in bytes, `undefined` where the repository has no such blob. */
  size(name: RepositoryName, digest: Digest): Promise<number | undefined>;
  open(name: RepositoryName, digest: Digest): Promise<BlobReader | undefined>;
  /**
   * Makes bytes outside of the storage the blob `digest` of the repository. They are only read, now and ever
   * after. Whether they have that digest is looked at where they are copied or `check` says so: rejects with
   * `digest-mismatch`. `undefined` where it cannot be done, and the bytes have to come as an upload.
   */
  adopt(
    outside: OutsideFile,
    name: RepositoryName,
    digest: Digest,
    check: boolean,
  ): Promise<{ readonly how: Adoption; readonly healed: boolean } | undefined>;
  /**
   * Makes a blob that `from`, or any repository where `from` is absent, has a blob of `to` as well.
   * Size in bytes, `undefined` where it could not be found.
   */
  mount(digest: Digest, to: RepositoryName, from?: RepositoryName): Promise<number | undefined>;
  /** Bytes of storage that this freed, 0 where another repository has the content; `undefined` where it was not there. */
  remove(name: RepositoryName, digest: Digest): Promise<number | undefined>;
  /** In no order. */
  list(name: RepositoryName): Promise<Digest[]>;
  /** Of those of `digests` that are there. */
  usages(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<BlobUsage>;
  /** All contents. None where content is not shared. */
  contents(): AsyncIterable<Content>;
  /** Removes a content that no repository has. Bytes freed, `undefined` where one has it after all. */
  removeOrphan(digest: Digest): Promise<number | undefined>;
  /** Re-reads a content: whether its bytes have its digest, `undefined` where there is none. */
  checkContent(digest: Digest): Promise<boolean | undefined>;
  /** The same for a repository's blob; `shared` where it is the content, whose check goes for all. */
  check(name: RepositoryName, digest: Digest): Promise<boolean | "shared" | undefined>;
  /** Takes a content aside if it is damaged still. Whether it was; repositories may have the damaged bytes yet. */
  quarantineContent(digest: Digest): Promise<boolean>;
  /** The same for a repository's blob. */
  quarantine(name: RepositoryName, digest: Digest): Promise<boolean>;
}

export interface ManifestStore {
  /** The bytes as they were written; `unreadable` if the storage has something else in their place. */
  read(name: RepositoryName, digest: Digest): Promise<Buffer | "unreadable" | undefined>;
  /** Size in bytes, `undefined` where the repository has no such manifest. */
  size(name: RepositoryName, digest: Digest): Promise<number | undefined>;
  /** Of those of `digests` that are there. */
  sizes(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number>;
  /** In no order. */
  list(name: RepositoryName): Promise<Digest[]>;
  /** Milliseconds since the epoch at which each of `digests` was first pushed, `undefined` where it is not there. */
  pushedAt(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number | undefined>;
  write(name: RepositoryName, digest: Digest, bytes: Uint8Array, spans?: Spans): Promise<void>;
  /** Whether it was there. */
  remove(name: RepositoryName, digest: Digest): Promise<boolean>;
  /** Takes it aside, whatever it is. Whether it was there. */
  quarantine(name: RepositoryName, digest: Digest): Promise<boolean>;
}

export interface TagStore {
  resolve(name: RepositoryName, tag: Tag): Promise<Digest | undefined>;
  /**
   * Points the tag to a manifest that the repository has: atomically, the last caller wins whole. The tag stays where
   * it points if the condition does not allow the move.
   */
  point(name: RepositoryName, tag: Tag, digest: Digest, condition: PointCondition): Promise<PointResult>;
  /**
   * What those of `tags`, or all, that are there point to, as it is: nothing is mended. Many cost little more than one.
   * In no order. Rejects where the repository's tags cannot all be listed.
   */
  targets(name: RepositoryName, tags?: readonly Tag[]): AsyncIterable<TagTarget>;
  /** The same with when they were used. */
  times(name: RepositoryName, tags?: readonly Tag[]): AsyncIterable<TimedTag>;
  /** Keeps when the tag was last pulled. No error where it has gone. */
  setPulledAt(name: RepositoryName, tag: Tag, at: number): Promise<void>;
  /** Whether it was there. */
  remove(name: RepositoryName, tag: Tag): Promise<boolean>;
  /** All tags in ASCII order, `undefined` where the repository is not known. */
  list(name: RepositoryName): Promise<Tag[] | undefined>;
  /** What there is of a tag, as it is: nothing is mended. `undefined` where there is no such tag. */
  inspect(name: RepositoryName, tag: Tag): Promise<TagState | undefined>;
  /** Takes it aside, whatever it is. Whether it was there. */
  quarantine(name: RepositoryName, tag: Tag): Promise<boolean>;
}

export interface TagTarget {
  readonly tag: Tag;
  /** Absent where what the tag points to cannot be told. */
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

export interface TagState {
  /** Absent where what the tag points to cannot be told. */
  readonly digest?: Digest;
  /** Whether the copy of the manifest that lies beside is right. `resolve` mends it. */
  readonly copied: boolean;
}

/** A manifest that names another as its subject, as the referrers API lists it. */
export interface Referrer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Annotations;
}

export interface ReferrerStore {
  add(name: RepositoryName, subject: Digest, referrer: Referrer): Promise<void>;
  remove(name: RepositoryName, subject: Digest, referrer: Digest): Promise<void>;
  /** In order of digest, from behind `after` on. Lazily, so that a page costs a page. */
  list(name: RepositoryName, subject: Digest, after?: Digest): AsyncIterable<Referrer>;
  /** Whether there is an entry, be it damaged. */
  has(name: RepositoryName, subject: Digest, referrer: Digest): Promise<boolean>;
  /** One entry; `undefined` where there is none that can be read. */
  find(name: RepositoryName, subject: Digest, referrer: Digest): Promise<Referrer | undefined>;
  /** All entries of the repository, also those whose manifest is gone. */
  all(name: RepositoryName): AsyncIterable<{ readonly subject: Digest; readonly referrer: Digest }>;
}

export interface RepositoryStore {
  /** In ASCII order, from behind `after` on. Lazily, `atOnce` at a time, so that a page costs a page. */
  list(after?: string, atOnce?: number): AsyncIterable<RepositoryName>;
  /** In no order, with those that have blobs only. */
  all(): AsyncIterable<RepositoryName>;
  /** Those that have neither tag, manifest, referrer nor blob any more, and take up room or a place in the catalog. */
  empty(): AsyncIterable<RepositoryName>;
  /** Removes one if it is empty still. Whether it was. To be called while nobody pushes to it. */
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
  /** All sessions that are there. Bytes are those received. */
  all(): AsyncIterable<{ readonly id: SessionId; readonly bytes: number }>;
  /** Removes what an upload of an earlier process has left behind. A missing one is no error. */
  remove(id: SessionId): Promise<void>;
}

/** Something that lies in the store and that no part of the registry has put there. */
export interface StrayFile {
  /** In the driver's terms, for an operator. */
  readonly path: string;
  readonly why: string;
  /** Whether it lies where something of the registry belongs, which cannot be pushed because of it. */
  readonly inTheWay: boolean;
  /** Whether it belongs there, and the disk does not tell what it holds. */
  readonly unread?: boolean;
}

export interface StrayFileStore {
  all(): AsyncIterable<StrayFile>;
  /** Takes it aside. Whether it was there. */
  quarantine(odd: StrayFile): Promise<boolean>;
}

/** Small notes of the registry's own that outlive the process. */
export interface NoteStore {
  /** The note, which is gone when this resolves. */
  take(name: string): Promise<Buffer | undefined>;
  put(name: string, bytes: Uint8Array): Promise<void>;
}

/** Secrets of the registry's own, for its own eyes. */
export interface SecretStore {
  /** The secret of that name; where there is none, what `make` gives is kept first. All who ask get the same. */
  secret(name: string, make: () => Uint8Array): Promise<Buffer>;
}

export interface RobotStore {
  /** In no order. */
  all(): AsyncIterable<Robot>;
  /** Keeps a new one, or a known one as it is now. */
  put(robot: Robot): Promise<void>;
  /** Whether it was there. */
  remove(name: RobotName): Promise<boolean>;
}

/** In bytes. */
export interface Space {
  readonly totalBytes: number;
  /** What the registry may still take of it. */
  readonly freeBytes: number;
}

/** What the storage lies on. */
export interface Volume {
  /** Resolves where something could be written, durably, and was removed again. */
  probe(): Promise<void>;
  /** `undefined` where there is no end to it. */
  space(): Promise<Space | undefined>;
}

/** A disk that keeps up with its writers syncs within some milliseconds; one that takes a second holds up its clients. */
export const syncSecondsBounds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** What a driver counts of its own work. */
export interface StorageMeasures {
  /** How long it took to put something on stable storage, by what that was. */
  readonly syncs: Readonly<Record<string, Durations>>;
  /** By cache. */
  readonly lookups: Readonly<Record<string, HitCounts>>;
  readonly contents: ContentTally;
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
  /** Whether nothing was here before. */
  readonly fresh: boolean;
  readonly measures: StorageMeasures;
  /** Whether nothing can be written, as it was found out when the storage was opened. */
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
  readonly strayFiles: StrayFileStore;
  /** Ends what is still running in the background and lets go of every resource. */
  close(): Promise<void>;
}
