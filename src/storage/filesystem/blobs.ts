/**
 * Blobs: one inode for each distinct content, linked into every repository that has it. A 201 only requires the repository's
 * link on stable storage. The content's own name is an index for deduplication; losing it in a crash costs one duplicate,
 * not a blob (docs/decisions/0002).
 */
import { link, lstat, rename, unlink } from "node:fs/promises";
import { type Digest, isDigest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { assert } from "../../lib/assert.js";
import type { Spans } from "../../lib/spans.js";
import type { BlobReader, BlobStore, BlobUsage, Content } from "../storage.js";
import type { CacheFiller } from "./cache-filler.js";
import type { CheckedFiles } from "./checked-files.js";
import { ColdBlob, ColdBlobs } from "./cold-blobs.js";
import type { ContentTally } from "./content-tally.js";
import { FileContents } from "./contents.js";
import {
  copyDurably,
  errorCode,
  foldersBelow,
  ifThere,
  linkOver,
  removeIfThere,
  sameInode,
} from "./files.js";
import { Integrity } from "./integrity.js";
import type { Journal } from "./journal/journal.js";
import type { Layout } from "./layout.js";
import type { StorePeers } from "./peers.js";
import type { Quarantine } from "./quarantine.js";
import { FileBlobReader } from "./reader.js";
import { SharedKeyLock } from "./shared-key-lock.js";
import type { Surveyor } from "./surveyor.js";
import type { Directories } from "./sync.js";
import type { WorkerPool } from "./worker-pool.js";
import type { UploadFiles, UploadPlace } from "./worker-protocol.js";

/** What is known of a file, and what a worker has done of its commit. */
export interface CommitState {
  /** Whether the bytes are known to have the digest. */
  readonly checked: boolean;
  /** Its size, if it has its names. */
  readonly placedBytes: number | undefined;
  /** Whether the blob is durable already. */
  readonly isJournaled: boolean;
}

export class FileBlobs implements BlobStore {
  readonly #locks: SharedKeyLock<Digest>;
  readonly #contents: FileContents;
  readonly integrity: Integrity;
  readonly cold = new ColdBlobs();
  /** Set when it has been opened, before any call. */
  journal: Journal | undefined;

  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
    readonly hardLinks: boolean,
    readonly workers: WorkerPool,
    readonly checkedFiles: CheckedFiles,
    readonly quarantined: Quarantine,
    readonly tally: ContentTally,
    readonly surveyor: Surveyor,
    readonly cacheFiller: CacheFiller,
    peers?: StorePeers,
  ) {
    this.#locks = new SharedKeyLock("content", peers);
    this.integrity = new Integrity((file, expected) => workers.digestFile(file, expected));
    this.#contents = new FileContents(layout, checkedFiles, surveyor, tally);
  }

  async size(name: RepositoryName, digest: Digest): Promise<number | undefined> {
    return (await this.checkedFiles.file(this.layout.blob(name, digest)))?.size;
  }

  async open(name: RepositoryName, digest: Digest): Promise<BlobReader | undefined> {
    const path = this.layout.blob(name, digest);
    const handle = await this.checkedFiles.open(path);
    const reader = handle && (await FileBlobReader.over(handle, this.cold.get(digest), this.cold));
    if (handle !== undefined && reader === undefined) this.checkedFiles.name(path, "not a file");
    return reader;
  }

  /** Returns the names that would make the file of an upload this blob. Returns `undefined` without hard links. */
  placeFor({ file, record }: UploadFiles, name: RepositoryName, digest: Digest): UploadPlace | undefined {
    if (!this.hardLinks) return undefined;
    const [content, blob] = [this.layout.content(digest), this.layout.blob(name, digest)];
    const unchecked = this.#foldersOf(name, digest).flatMap((folder) => this.directories.unknownOn(folder));
    return { file, recordFile: record?.file, content, blob, unchecked };
  }

  /** Runs the commit of a small upload, which `work` makes durable by a record of the generation that it gets. */
  during<T>(name: RepositoryName, digest: Digest, work: (generation: number) => Promise<T>): Promise<T> {
    assert(this.journal !== undefined, "there is a journal");
    return this.journal.during([this.layout.blob(name, digest), this.layout.content(digest)], work);
  }

  /**
   * Makes the file of a sealed upload the blob. In the common case the content is new, and a worker has already linked the
   * file to its names. That needs no lock: of several callers that link to one name, the file system lets one succeed, and a
   * caller that removes a content counts its links. Returns whether this replaced damaged bytes.
   */
  async commit(
    files: UploadFiles,
    name: RepositoryName,
    digest: Digest,
    state: CommitState,
    spans: Spans,
  ): Promise<boolean> {
    const { placedBytes, isJournaled } = state;
    if (placedBytes !== undefined) {
      this.tally.changed(digest, 1, placedBytes);
      this.integrity.remember(digest, Date.now());
      await this.#ensureFolders(name, digest, !isJournaled);
    }
    return spans.during("commit", async (within) => {
      const healed =
        placedBytes === undefined &&
        (await within.during("link", () => this.#link(files, name, digest, state)));
      if (!isJournaled) await within.during("sync", () => this.#syncBlob(name, digest));
      return healed;
    });
  }

  async #syncBlob(name: RepositoryName, digest: Digest): Promise<void> {
    await this.directories.sync(this.layout.blobs(name));
    await this.journal?.changed(this.layout.blob(name, digest));
  }

  /** Starts to make the repository's folder durable, while a larger upload is still arriving. */
  prepare(name: RepositoryName): void {
    // The commit tries again, and reports the failure.
    this.directories.ensure(this.layout.blobs(name))?.catch(() => {});
  }

  /** The folder of the content is part of an index, which need not be durable. */
  async #ensureFolders(name: RepositoryName, digest: Digest, durably: boolean): Promise<void> {
    const content = this.hardLinks
      ? this.directories.ensure(this.layout.contentFolder(digest), false)
      : undefined;
    await Promise.all([this.directories.ensure(this.layout.blobs(name), durably), content]);
  }

  /** Reports that a new blob's bytes are not in the page cache, except for the first. */
  bypassed(
    name: RepositoryName,
    digest: Digest,
    { size, cachedBytes }: Pick<ColdBlob, "size" | "cachedBytes">,
  ): void {
    const blob = new ColdBlob(this.layout.blob(name, digest), size, cachedBytes);
    this.cold.add(digest, blob);
    this.cacheFiller.add(blob);
  }

  #foldersOf(name: RepositoryName, digest: Digest): readonly string[] {
    const folder = this.layout.blobs(name);
    return this.hardLinks ? [folder, this.layout.contentFolder(digest)] : [folder];
  }

  /** Returns whether this replaced damaged bytes. */
  #link(files: UploadFiles, name: RepositoryName, digest: Digest, state: CommitState): Promise<boolean> {
    return this.#locks.exclusive(digest, () =>
      this.directories.within(
        this.#foldersOf(name, digest),
        async () => {
          await this.#ensureFolders(name, digest, !state.isJournaled);
          return this.#linkLocked(files, name, digest, state);
        },
        false,
      ),
    );
  }

  async #linkLocked(
    { file, record }: UploadFiles,
    name: RepositoryName,
    digest: Digest,
    { checked, isJournaled }: CommitState,
  ): Promise<boolean> {
    if (!this.hardLinks) {
      if (record !== undefined) await removeIfThere(record.file);
      await rename(file, this.layout.blob(name, digest));
      return false;
    }
    const { healed, isNew } = await this.#makeContent(file, digest, checked);
    try {
      if (!isJournaled) await this.#syncContent(digest, this.layout.content(digest));
      await this.#linkInto(name, digest, this.layout.content(digest));
    } catch (error) {
      // An upload whose file has another name cannot be continued.
      if (isNew) await this.#removeUnshared(digest);
      throw error;
    }
    // Remove the record before the bytes: a crash in between must not leave a session without bytes.
    if (record !== undefined) await removeIfThere(record.file);
    // Remove it now: the link count tells whether the content is still in use.
    await removeIfThere(file);
    return healed;
  }

  /** Syncs bytes that may be durable only in a record of another repository's blob. */
  async #syncContent(digest: Digest, file: string): Promise<void> {
    if (this.journal?.mayBeLive(this.layout.content(digest))) await this.directories.syncs.fileAt(file);
  }

  /** Removes a content that this push has just made. Never rejects: otherwise it is an orphan. */
  async #removeUnshared(digest: Digest): Promise<void> {
    const content = this.layout.content(digest);
    try {
      const { nlink, size } = await lstat(content);
      // The upload's own name is the other one.
      if (nlink !== 2) return;
      this.integrity.forget(digest);
      await unlink(content);
      this.tally.changed(digest, -1, -size);
    } catch {}
  }

  /**
   * Makes the file the content, or finds that there already is an intact one. Returns whether it replaced a damaged one.
   * Unchecked bytes are no reason to doubt the existing ones.
   */
  async #makeContent(
    file: string,
    digest: Digest,
    checked: boolean,
  ): Promise<{ readonly healed: boolean; readonly isNew: boolean }> {
    let healed = false;
    let isNew = true;
    let soundSince = Date.now();
    const content = this.layout.content(digest);
    try {
      await link(file, content);
      this.tally.changed(digest, 1, (await lstat(file)).size);
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
      isNew = false;
      healed = checked && !(await this.integrity.isIntact(content, digest));
      if (healed) {
        const damaged = await lstat(content);
        await this.#heal(file, digest);
        this.tally.changed(digest, 0, (await lstat(file)).size - damaged.size);
        soundSince = Date.now();
      }
    }
    if (checked) this.integrity.remember(digest, soundSince);
    return { healed, isNew };
  }

  /**
   * Replaces a damaged content by an intact file, in every repository that links to it. Does not overwrite its bytes,
   * because they may also belong to a file outside of the store (docs/decisions/0016). The content itself comes last: after
   * a crash in the middle, the next push still finds it damaged and starts again.
   */
  async #heal(file: string, digest: Digest): Promise<void> {
    const content = this.layout.content(digest);
    // A record is about one repository only.
    if (this.journal !== undefined) await this.directories.syncs.fileAt(file);
    for await (const folder of foldersBelow(this.layout.blobsRoot)) {
      const blob = `${folder}/${digest}`;
      if (!(await ifThere(sameInode(blob, content)))) continue;
      await linkOver(file, blob, this.layout.temporary());
      await this.directories.sync(folder);
    }
    await linkOver(file, content, this.layout.temporary());
  }

  async #linkInto(name: RepositoryName, digest: Digest, source: string): Promise<void> {
    const blob = this.layout.blob(name, digest);
    try {
      await link(source, blob);
    } catch (error) {
      const code = errorCode(error);
      if (code === "EMLINK") await this.#linkToCopy(source, blob);
      else if (code !== "EEXIST") throw error;
      else if (!(await sameInode(source, blob))) await linkOver(source, blob, this.layout.temporary());
    }
  }

  /** The inode has the maximum number of links: a copy replaces it for further links. */
  async #linkToCopy(source: string, blob: string): Promise<void> {
    const copy = this.layout.temporary();
    await copyDurably(source, copy, this.directories.syncs);
    try {
      await link(copy, blob);
      await rename(copy, source);
    } finally {
      await removeIfThere(copy);
    }
  }

  async mount(digest: Digest, to: RepositoryName, from?: RepositoryName): Promise<number | undefined> {
    const source = from === undefined ? this.layout.content(digest) : this.layout.blob(from, digest);
    const size = (await this.checkedFiles.file(source))?.size;
    if (size === undefined) return undefined;
    const folder = this.layout.blobs(to);
    const found = await this.#locks.exclusive(digest, () =>
      ifThere(this.directories.within([folder], () => this.#mountLocked(digest, to, source))),
    );
    if (found === undefined) return undefined;
    await this.#syncBlob(to, digest);
    return size;
  }

  async #mountLocked(digest: Digest, to: RepositoryName, source: string): Promise<true> {
    if (this.hardLinks) {
      await this.#syncContent(digest, source);
      await this.#linkInto(to, digest, source);
    } else {
      const copy = this.layout.temporary();
      await copyDurably(source, copy, this.directories.syncs);
      await rename(copy, this.layout.blob(to, digest));
    }
    return true;
  }

  async remove(name: RepositoryName, digest: Digest): Promise<number | undefined> {
    const blob = this.layout.blob(name, digest);
    const freed = await this.#locks.exclusive(digest, async () => {
      if (!(await this.checkedFiles.demandFolder(this.layout.blobs(name)))) return undefined;
      const { nlink, size } = (await ifThere(lstat(blob))) ?? {};
      if (size === undefined || !(await removeIfThere(blob))) return undefined;
      // It was not linked to its content, or there are no hard links: no other repository had it.
      return (await this.#removeUnlinked(digest)) ?? (nlink === 1 ? size : 0);
    });
    if (freed === undefined) return undefined;
    await this.directories.sync(this.layout.blobs(name));
    await this.journal?.removed(this.layout.blob(name, digest));
    return freed;
  }

  removeOrphan(digest: Digest): Promise<number | undefined> {
    return this.#locks.exclusive(digest, () => this.#removeUnlinked(digest));
  }

  /** The link count is the reference count: the content's own name is the last link. */
  async #removeUnlinked(digest: Digest): Promise<number | undefined> {
    if (!(await this.checkedFiles.demandFolder(this.layout.contentFolder(digest)))) return undefined;
    const content = this.layout.content(digest);
    const { nlink, size } = (await ifThere(lstat(content))) ?? {};
    if (nlink !== 1 || size === undefined) return undefined;
    this.integrity.forget(digest);
    await unlink(content);
    this.tally.changed(digest, -1, -size);
    return size;
  }

  async list(name: RepositoryName): Promise<Digest[]> {
    return ((await this.checkedFiles.demandEntries(this.layout.blobs(name))) ?? []).filter(isDigest);
  }

  async *sizes(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<number> {
    for await (const { size } of this.surveyor.measures(this.layout.blobs(name), digests)) yield size;
  }

  async *usages(name: RepositoryName, digests: readonly Digest[]): AsyncIterable<BlobUsage> {
    for await (const { size, links } of this.surveyor.measures(this.layout.blobs(name), digests))
      yield { size, shared: links > 2, isContent: links > 1 };
  }

  async *contents(): AsyncIterable<Content> {
    for await (const { digest, size } of this.#contents.all(this.hardLinks)) yield { digest, size };
  }

  /** A content without another link belongs to no repository. */
  async *orphans(): AsyncIterable<Content> {
    for await (const { digest, size, links } of this.#contents.all(this.hardLinks))
      if (links === 1) yield { digest, size };
  }

  checkContent(digest: Digest): Promise<boolean | undefined> {
    return this.integrity.check(this.layout.content(digest), digest);
  }

  async check(name: RepositoryName, digest: Digest): Promise<boolean | "content" | undefined> {
    const blob = this.layout.blob(name, digest);
    const isContent = await ifThere(sameInode(blob, this.layout.content(digest)));
    return isContent ? "content" : this.integrity.check(blob, digest);
  }

  async quarantineContent(digest: Digest): Promise<boolean> {
    const content = this.layout.content(digest);
    const { size = 0 } = (await ifThere(lstat(content))) ?? {};
    const taken = await this.#quarantine(content, digest);
    if (taken) this.tally.changed(digest, -1, -size);
    return taken;
  }

  quarantine(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.#quarantine(this.layout.blob(name, digest), digest);
  }

  /** Checks again with the digest's lock held: a push may have repaired it meanwhile. */
  #quarantine(path: string, digest: Digest): Promise<boolean> {
    return this.#locks.exclusive(digest, async () => {
      if ((await this.integrity.check(path, digest)) !== false) return false;
      return this.quarantined.take(path);
    });
  }
}
