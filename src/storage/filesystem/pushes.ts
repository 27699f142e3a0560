/**
 * Pushes of manifests: the entry at the subject, the manifest and its tag in one message and one record of the journal, so
 * that they cost one sync, which other pushes share.
 */
import { dirname } from "node:path";
import type { Digest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { noSpans, type Spans } from "../../lib/spans.js";
import type { ManifestPushStore, ManifestWrite, PointResult } from "../storage.js";
import type { FileStep } from "./file-steps.js";
import { removeIfThere } from "./files.js";
import type { Journal } from "./journal/journal.js";
import { type JournalOperation, journaledBytesMax } from "./journal/record.js";
import type { Layout } from "./layout.js";
import type { FileManifests } from "./manifests.js";
import { planPut } from "./put-file.js";
import type { FileReferrers } from "./referrers.js";
import type { Directories } from "./sync.js";
import { type FileTags, placing, stepsOf } from "./tags.js";

/** What one message does, and its record. */
interface Message {
  readonly paths: string[];
  readonly steps: FileStep[];
  readonly operations: JournalOperation[];
  readonly bytes: Uint8Array[];
  readonly temporaries: string[];
}

export class FilePushes implements ManifestPushStore {
  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
    readonly referrers: FileReferrers,
    readonly manifests: FileManifests,
    readonly tags: FileTags,
    readonly journal: Journal,
  ) {}

  async push(
    name: RepositoryName,
    digest: Digest,
    write: ManifestWrite,
    spans: Spans = noSpans,
  ): Promise<PointResult | undefined> {
    const { tag } = write;
    // An entry repeats the annotations of its manifest, and some of its fields.
    if (write.bytes.length > journaledBytesMax / 2) return this.#oneByOne(name, digest, write, spans);
    const work = () =>
      this.manifests.alone(name, digest, () =>
        spans.during("write", () =>
          this.directories.within(
            this.#foldersOf(name, write),
            () => this.#together(name, digest, write),
            false,
          ),
        ),
      );
    return tag === undefined ? work() : this.tags.locked(name, tag.tag, work);
  }

  async #oneByOne(
    name: RepositoryName,
    digest: Digest,
    { bytes, entry, tag }: ManifestWrite,
    spans: Spans,
  ): Promise<PointResult | undefined> {
    if (entry !== undefined) await this.referrers.add(name, entry.subject, entry.referrer);
    await this.manifests.write(name, digest, bytes, spans);
    return tag && this.tags.point(name, tag.tag, digest, tag.condition, tag.push);
  }

  #foldersOf(name: RepositoryName, { entry }: ManifestWrite): string[] {
    // The tags' directory makes this a repository, with or without tags.
    const folders = [this.layout.tags(name)];
    if (entry !== undefined) folders.push(this.layout.referrers(name, entry.subject));
    return folders;
  }

  /** Call it while the manifest and the tag are locked. */
  async #together(
    name: RepositoryName,
    digest: Digest,
    write: ManifestWrite,
  ): Promise<PointResult | undefined> {
    const { bytes, entry, tag } = write;
    const [isThere, planned] = await Promise.all([
      this.manifests.has(name, digest, bytes),
      tag && this.tags.plan(name, tag.tag, digest, tag.condition, tag.push),
    ]);
    // Another writer may not have synced it yet.
    if (isThere) await this.manifests.makeDurable(name, digest);
    const change = typeof planned === "object" ? planned : undefined;
    const message: Message = { paths: [], steps: [], operations: [], bytes: [], temporaries: [] };
    if (entry !== undefined) {
      const path = `${this.layout.referrers(name, entry.subject)}/${digest}`;
      this.#put(message, path, Buffer.from(JSON.stringify(entry.referrer)), dirname(path));
    }
    if (!isThere) this.#put(message, this.layout.manifest(name, digest), bytes, this.layout.tags(name));
    if (tag !== undefined && change !== undefined) {
      message.paths.push(this.layout.tag(name, tag.tag));
      message.steps.push(...stepsOf(change));
      message.operations.push(...change.record.operations);
      message.bytes.push(...change.record.bytes);
    }
    const perform = () => this.#perform(message);
    if (change === undefined) await perform();
    else await placing(change, perform);
    return change === undefined ? (planned as PointResult | undefined) : "pointed";
  }

  #put(message: Message, path: string, bytes: Uint8Array, beside: string): void {
    const { temporary, steps, operation } = planPut(this.layout, path, bytes, beside);
    message.paths.push(path);
    message.temporaries.push(temporary);
    message.steps.push(...steps);
    message.operations.push(operation);
    message.bytes.push(bytes);
  }

  async #perform(message: Message): Promise<void> {
    if (message.steps.length === 0) return;
    const { paths, steps, operations, bytes } = message;
    try {
      await this.journal.do(paths, steps, { operations, bytes });
    } catch (error) {
      for (const temporary of message.temporaries) await removeIfThere(temporary).catch(() => {});
      throw error;
    }
  }
}
