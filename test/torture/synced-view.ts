/** The registry's state on stable storage, with each object's value as in the ledger. */
import { type Digest, isDigest } from "../../src/domain/digest.js";
import { isTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { Layout, pointerFile } from "../../src/storage/filesystem/layout.js";
import { keys, present, type Value } from "./ledger.js";
import { FileNode, type SyncedFiles } from "./synced-files.js";
import { SyncedJournal } from "./synced-journal.js";
import type { Universe } from "./universe.js";

/** An existing file that differs from the pushed one. */
export const torn = "torn";

export class SyncedView {
  readonly #looks: readonly { readonly key: string; readonly look: () => Value }[];
  /** Bytes already verified as the object's; the model never changes them in place. */
  readonly #right = new WeakMap<Buffer, Buffer>();

  readonly #journal: SyncedJournal;

  constructor(
    readonly files: SyncedFiles,
    readonly root: string,
    { names, blobs, manifests, tags }: Universe,
  ) {
    const layout = new Layout(root);
    this.#journal = new SyncedJournal(files, layout.journalRoot);
    this.#looks = names.flatMap((text) => {
      const name = parseRepositoryName(text);
      const known = new Map(manifests.map(({ digest, bytes }) => [digest, bytes]));
      return [
        ...blobs.map(({ digest, bytes }) => ({
          key: keys.blob(text, digest),
          look: () => this.#object(layout.blob(name, asDigest(digest)), bytes),
        })),
        ...manifests.map(({ digest, bytes }) => ({
          key: keys.manifest(text, digest),
          look: () => this.#object(layout.manifest(name, asDigest(digest)), bytes),
        })),
        ...tags.filter(isTag).map((tag) => ({
          key: keys.tag(text, tag),
          look: () => {
            const pointer = this.#read(`${layout.tag(name, tag)}/${pointerFile}`);
            if (pointer === undefined) return undefined;
            const digest = pointer.toString("latin1");
            const bytes = known.get(digest);
            const found = bytes && this.#object(layout.manifest(name, asDigest(digest)), bytes);
            return found === present ? digest : torn;
          },
        })),
      ];
    });
  }

  #object(path: string, bytes: Buffer): Value {
    const found = this.#read(path);
    if (found === undefined) return undefined;
    if (this.#right.get(found) === bytes) return present;
    if (!found.equals(bytes)) return torn;
    this.#right.set(found, bytes);
    return present;
  }

  /** Returns the bytes that a server would find, after it has repeated the changes in the journal. */
  #read(path: string): Buffer | undefined {
    const recorded = this.#journal.find(path.slice(this.root.length + 1));
    if (recorded !== undefined) return recorded === "gone" ? undefined : recorded;
    const node = this.files.findSynced(path);
    return node instanceof FileNode ? node.synced : undefined;
  }

  *values(): Iterable<[string, Value]> {
    for (const { key, look } of this.#looks) yield [key, look()];
  }
}

function asDigest(text: string): Digest {
  if (!isDigest(text)) throw new Error(`${text} is not a digest`);
  return text;
}
