/** The data of an in-memory storage. It outlives the storage opened on it, as a disk outlives a process. */
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Robot, RobotName } from "../../domain/robot.js";
import type { SessionId } from "../../domain/session-id.js";
import type { TagEntry } from "../../domain/tag-history.js";
import type { Content, Referrer, UploadRecord } from "../storage.js";

export interface StoredTag {
  /** Absent if the tag is damaged. */
  readonly digest: Digest | undefined;
  readonly pushedAt: number;
  readonly pulledAt?: number;
}

export class MemoryRepository {
  /** Whether it is in the catalog: it has, or had, a manifest. */
  listed = false;
  readonly blobs = new Set<Digest>();
  readonly manifests = new Map<Digest, { readonly bytes: Buffer; readonly pushedAt: number }>();
  readonly tags = new Map<Tag, StoredTag>();
  /** Entries newest first, also of removed tags. */
  readonly history = new Map<Tag, readonly TagEntry[]>();
  /** Entries by subject and referrer; `undefined` is a damaged entry. */
  readonly referrers = new Map<Digest, Map<Digest, Referrer | undefined>>();

  get isEmpty(): boolean {
    const { blobs, manifests, tags, referrers } = this;
    return blobs.size + manifests.size + tags.size + referrers.size === 0;
  }
}

export interface StoredUpload {
  readonly record: UploadRecord;
  readonly bytes: Buffer;
  /** Milliseconds since the epoch. */
  readonly touchedAt: number;
}

export class MemoryData {
  readonly contents = new Map<Digest, Buffer>();
  readonly repositories = new Map<RepositoryName, MemoryRepository>();
  readonly uploads = new Map<SessionId, StoredUpload>();
  readonly notes = new Map<string, Buffer>();
  readonly secrets = new Map<string, Buffer>();
  readonly robots = new Map<RobotName, Robot>();
  /** Whether a storage was opened on this data before. */
  used = false;

  /** Returns the repository of that name, and creates it if needed. */
  made(name: RepositoryName): MemoryRepository {
    const known = this.repositories.get(name);
    if (known !== undefined) return known;
    const made = new MemoryRepository();
    this.repositories.set(name, made);
    return made;
  }

  /** Returns the contents that no repository has. */
  orphans(): Content[] {
    const wanted = new Set([...this.repositories.values()].flatMap(({ blobs }) => [...blobs]));
    return this.allContents().filter(({ digest }) => !wanted.has(digest));
  }

  allContents(): Content[] {
    return Array.from(this.contents, ([digest, { length }]) => ({ digest, size: length }));
  }
}
