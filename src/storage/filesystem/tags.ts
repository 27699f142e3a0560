/**
 * Tags: each a directory with a pointer file, which decides, a link to the manifest for people and scripts, and the entries
 * of its history. A new tag is created aside and renamed into place; a tag that moves has its pointer replaced by rename. An
 * entry is an empty file whose name says everything, so the sync of the directory, which a push needs anyway, makes it durable.
 */
import { constants } from "node:fs";
import { lstat, lutimes, open, rename, rm } from "node:fs/promises";
import { type Digest, isDigest } from "../../domain/digest.js";
import { holds } from "../../domain/precondition.js";
import { isTag, type Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { TagEntry, TagNote } from "../../domain/tag-history.js";
import { batchesOf } from "../../lib/batches.js";
import { isFull } from "../errors.js";
import type { PointCondition, PointResult, TagPush, TagStore, TagTarget, TimedTag } from "../storage.js";
import type { CheckedFiles } from "./checked-files.js";
import type { DoSteps, FileStep } from "./file-steps.js";
import { errorCode, ifThere, removeIfThere } from "./files.js";
import type { Journal } from "./journal/journal.js";
import { type Layout, pointerFile, pulledFile, tagManifestFile } from "./layout.js";
import type { StorePeers } from "./peers.js";
import type { Quarantine } from "./quarantine.js";
import { SharedKeyLock } from "./shared-key-lock.js";
import type { TagLook } from "./survey-protocol.js";
import { type Surveyor, tagLooksMax } from "./surveyor.js";
import type { Directories } from "./sync.js";
import { putBeside, type TagChange, TagChanges } from "./tag-changes.js";

/** Creates the file if it is missing, to set its time. */
const markFlags =
  constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOFOLLOW;

interface FoundTag extends TagLook {
  readonly tag: Tag;
}

/** Returns all steps of a change that the journal makes durable. */
export function stepsOf({ write, pointer, pushedAt, place }: TagChange): FileStep[] {
  const stamp: FileStep[] =
    pushedAt === undefined || pointer === undefined ? [] : [{ do: "touch", file: pointer, at: pushedAt }];
  return [...write, ...stamp, ...place];
}

/** Runs `perform`, which ends with the change of a tag, and cleans up after a failure. */
export async function placing({ temporaries }: TagChange, perform: () => Promise<void>): Promise<void> {
  try {
    await perform();
  } catch (error) {
    for (const temporary of temporaries) await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

export class FileTags implements TagStore {
  readonly #locks: SharedKeyLock<string>;
  readonly changes: TagChanges;

  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
    readonly doSteps: DoSteps,
    hardLinks: boolean,
    readonly checkedFiles: CheckedFiles,
    readonly quarantined: Quarantine,
    readonly surveyor: Surveyor,
    /** Called if a full disk has no room for the history of a tag that is removed. The error names the tag. */
    readonly onHistoryLost: (error: Error) => void,
    readonly journal: Journal | undefined,
    peers?: StorePeers,
  ) {
    this.changes = new TagChanges(layout, hardLinks);
    this.#locks = new SharedKeyLock("tag", peers);
  }

  async resolve(name: RepositoryName, tag: Tag): Promise<Digest | undefined> {
    const folder = this.layout.tag(name, tag);
    const text = await this.#pointerOf(folder);
    if (text === undefined || isDigest(text)) return text;
    this.checkedFiles.name(`${folder}/${pointerFile}`, "not a digest");
    return undefined;
  }

  /** The pointer decides: a wrong copy, or a failure to repair it, must not stop pulls. */
  async mend(name: RepositoryName, tag: Tag, digest: Digest): Promise<void> {
    await this.#mendCopy(name, tag, digest).catch((error: unknown) => {
      const why = errorCode(error) ?? String(error);
      this.checkedFiles.name(
        `${this.layout.tag(name, tag)}/${tagManifestFile}`,
        `cannot be repaired: ${why}`,
      );
    });
  }

  async inspect(name: RepositoryName, tag: Tag): Promise<TagTarget | undefined> {
    if ((await ifThere(lstat(this.layout.tag(name, tag)))) === undefined) return undefined;
    const digest = await this.resolve(name, tag);
    return digest === undefined ? { tag } : { tag, digest };
  }

  quarantine(name: RepositoryName, tag: Tag, note?: TagNote): Promise<boolean> {
    const folder = this.layout.tag(name, tag);
    return this.#locks.exclusive(folder, async () => {
      await this.#keepHistory(name, tag, note);
      return this.quarantined.take(folder);
    });
  }

  point(
    name: RepositoryName,
    tag: Tag,
    digest: Digest,
    { movable, precondition }: PointCondition,
    push: TagPush = {},
  ): Promise<PointResult> {
    return this.locked(name, tag, async () => {
      const change = await this.plan(name, tag, digest, { movable, precondition }, push);
      if (typeof change === "string") return change;
      await this.#perform(this.layout.tag(name, tag), change);
      return "pointed";
    });
  }

  /** Runs `work` while no other caller changes the tag. */
  locked<T>(name: RepositoryName, tag: Tag, work: () => Promise<T>): Promise<T> {
    return this.#locks.exclusive(this.layout.tag(name, tag), work);
  }

  /** Returns what pointing the tag has to do, or why it must not be done. Call it while the tag is locked. */
  async plan(
    name: RepositoryName,
    tag: Tag,
    digest: Digest,
    { movable, precondition }: PointCondition,
    push: TagPush = {},
  ): Promise<TagChange | Exclude<PointResult, "pointed">> {
    const current = await this.#pointerOf(this.layout.tag(name, tag));
    const pointsTo = asDigest(current);
    if (precondition !== undefined && !holds(precondition, pointsTo, digest)) return "precondition-failed";
    if (current === digest) return this.changes.touch(name, tag, digest, push.pushedAt);
    if (current !== undefined && !movable && pointsTo !== undefined) return "immovable";
    if (current !== undefined) return this.changes.move(name, tag, pointsTo, digest, push);
    await this.checkedFiles.demandFolder(this.layout.tags(name));
    return this.changes.create(name, tag, digest, push);
  }

  async #pointerOf(folder: string): Promise<string | undefined> {
    return (await this.checkedFiles.read(`${folder}/${pointerFile}`))?.toString("latin1").trim();
  }

  async #perform(folder: string, change: TagChange): Promise<void> {
    const { journal, directories } = this;
    await placing(change, async () => {
      if (journal !== undefined) await journal.do([folder], stepsOf(change), change.record);
      else await this.#performSynced(change);
    });
    if (journal === undefined)
      await Promise.all(change.directories.map((directory) => directories.sync(directory)));
  }

  /** Performs all steps in one message, unless the pointer gets another time before it is in its place. */
  async #performSynced({ write, pointer, pushedAt, place }: TagChange): Promise<void> {
    if (pushedAt === undefined || pointer === undefined) {
      await this.doSteps([...write, ...place]);
      return;
    }
    await this.doSteps(write);
    await lutimes(pointer, pushedAt / 1000, pushedAt / 1000);
    await this.directories.syncs.fileAt(pointer);
    await this.doSteps(place);
  }

  async *targets(name: RepositoryName, tags?: readonly Tag[]): AsyncIterable<TagTarget> {
    for await (const looks of this.#look(name, tags)) {
      for (const { tag, pointer } of looks) {
        const digest = pointer.trim();
        if (!isDigest(digest))
          this.checkedFiles.name(`${this.layout.tag(name, tag)}/${pointerFile}`, "not a digest");
        yield isDigest(digest) ? { tag, digest } : { tag };
      }
    }
  }

  async *times(name: RepositoryName, tags?: readonly Tag[]): AsyncIterable<TimedTag> {
    for await (const looks of this.#look(name, tags))
      for (const { tag, pushedAt, pulledAt } of looks)
        yield pushedAt === undefined ? { tag } : { tag, times: { pushedAt, pulledAt } };
  }

  /** Yields those of `tags`, or of all, that exist, in batches: each step of a generator takes microseconds. */
  async *#look(name: RepositoryName, tags?: readonly Tag[]): AsyncIterable<readonly FoundTag[]> {
    const folder = this.layout.tags(name);
    const wanted = tags ?? (await this.#demandTags(folder));
    for (const batch of batchesOf(wanted, tagLooksMax)) {
      const looks = await this.surveyor.lookAtTags(folder, batch);
      yield batch.flatMap((tag, index) => {
        const look = looks[index];
        return look === undefined ? [] : [{ tag, ...look }];
      });
    }
  }

  /** Rejects if there is no such directory, which every repository with manifests has. */
  async #demandTags(folder: string): Promise<Tag[]> {
    const entries = await this.checkedFiles.demandEntries(folder);
    if (entries === undefined) throw Object.assign(new Error(`${folder} is missing`), { code: "ENOENT" });
    return entries.filter(isTag);
  }

  async setPulledAt(name: RepositoryName, tag: Tag, at: number): Promise<void> {
    const folder = this.layout.tag(name, tag);
    if (!(await this.checkedFiles.demandFolder(folder))) return;
    const file = `${folder}/${pulledFile}`;
    const handle = await this.checkedFiles.passOver(file, open(file, markFlags));
    try {
      await handle?.utimes(at / 1000, at / 1000);
    } finally {
      await handle?.close();
    }
  }

  remove(name: RepositoryName, tag: Tag, note?: TagNote): Promise<boolean> {
    const folder = this.layout.tag(name, tag);
    return this.#locks.exclusive(folder, async () => {
      if (!(await this.checkedFiles.demandFolder(this.layout.tags(name)))) return false;
      await this.#keepHistory(name, tag, note);
      const aside = this.layout.temporary();
      if ((await ifThere(rename(folder, aside).then(() => true))) === undefined) return false;
      try {
        await this.directories.sync(this.layout.tags(name));
        await this.journal?.removed(folder);
      } finally {
        // The tag is already removed; the next start removes files that remain here.
        await rm(aside, { recursive: true, force: true }).catch((error: unknown) =>
          this.checkedFiles.name(aside, `cannot be removed: ${errorCode(error) ?? String(error)}`),
        );
      }
      return true;
    });
  }

  /** Before the tag is removed: its history remains elsewhere, with an entry for the removal, or is removed as well. */
  async #keepHistory(name: RepositoryName, tag: Tag, note: TagNote | undefined): Promise<void> {
    const root = this.layout.removedTags(name);
    const to = this.layout.removedTag(name, tag);
    if (note === undefined) {
      if (await this.checkedFiles.demandFolder(root)) await rm(to, { recursive: true, force: true });
      return;
    }
    const from = this.layout.tag(name, tag);
    if ((await ifThere(lstat(from))) === undefined) return;
    const digest = asDigest(await this.#pointerOf(from));
    const { bounds, by } = note;
    const entry: TagEntry = { kind: "removed", ...(digest !== undefined && { digest }), at: Date.now(), by };
    const steps: FileStep[] = [
      { do: "keep history", from, to, entry, bounds },
      { do: "sync folder", folder: to },
    ];
    try {
      await this.directories.within([root], () => this.doSteps(steps));
      await this.directories.sync(root);
    } catch (error) {
      // Removals are how an operator makes room.
      if (!isFull(errorCode(error))) throw error;
      this.onHistoryLost(new Error(`${name}:${tag}`, { cause: error }));
    }
  }

  async list(name: RepositoryName): Promise<Tag[] | undefined> {
    const folder = this.layout.tags(name);
    const entries = await this.checkedFiles.entries(folder);
    return entries?.filter(isTag).sort();
  }

  /** Repairs the copy of the manifest beside the pointer after a crash between the two writes. */
  async #mendCopy(name: RepositoryName, tag: Tag, digest: Digest): Promise<void> {
    const folder = this.layout.tag(name, tag);
    if (await this.isCopied(name, tag, digest)) return;
    await this.#locks.exclusive(folder, async () => {
      if ((await this.#pointerOf(folder)) !== digest || (await this.isCopied(name, tag, digest))) return;
      const temporary = this.layout.temporary();
      const steps = [this.changes.addManifest(name, digest, temporary), ...putBeside(temporary, folder)];
      await this.doSteps(steps).catch(async (error: unknown) => {
        await removeIfThere(temporary);
        throw error;
      });
    });
  }

  /** Returns whether the correct manifest is beside the pointer, or cannot be, because the repository has lost it. */
  async isCopied(name: RepositoryName, tag: Tag, digest: Digest): Promise<boolean> {
    const [wanted, found] = await Promise.all([
      this.checkedFiles.read(this.layout.manifest(name, digest)),
      this.checkedFiles.read(`${this.layout.tag(name, tag)}/${tagManifestFile}`),
    ]);
    return wanted === undefined || (found?.equals(wanted) ?? false);
  }
}

function asDigest(text: string | undefined): Digest | undefined {
  return text !== undefined && isDigest(text) ? text : undefined;
}
