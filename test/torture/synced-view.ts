/** The registry's state on stable storage, with each object's value as in the ledger. */
import { type Digest, isDigest } from "../../src/domain/digest.js";
import { isTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { Layout, pointerFile } from "../../src/storage/filesystem/layout.js";
import { keys, present, type Value } from "./ledger.js";
import { FileNode, type SyncedFiles } from "./synced-files.js";
import type { Universe } from "./universe.js";

/** An existing file that differs from the pushed one. */
export const torn = "torn";

export class SyncedView {
  readonly #looks: readonly { readonly key: string; readonly look: () => Value }[];
  /** Bytes already verified as the object's; the model never changes them in place. */
  readonly #right = new WeakMap<Buffer, Buffer>();

  constructor(
    readonly files: SyncedFiles,
    root: string,
    { names, blobs, manifests, tags }: Universe,
  ) {
    const layout = new Layout(root);
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
            const pointer = this.files.findSynced(`${layout.tag(name, tag)}/${pointerFile}`);
            if (!(pointer instanceof FileNode)) return undefined;
            const digest = pointer.synced.toString("latin1");
            const bytes = known.get(digest);
            const found = bytes && this.#object(layout.manifest(name, asDigest(digest)), bytes);
            return found === present ? digest : torn;
          },
        })),
      ];
    });
  }

  #object(path: string, bytes: Buffer): Value {
    const node = this.files.findSynced(path);
    if (!(node instanceof FileNode)) return undefined;
    if (this.#right.get(node.synced) === bytes) return present;
    if (!node.synced.equals(bytes)) return torn;
    this.#right.set(node.synced, bytes);
    return present;
  }

  *values(): Iterable<[string, Value]> {
    for (const { key, look } of this.#looks) yield [key, look()];
  }
}

function asDigest(text: string): Digest {
  if (!isDigest(text)) throw new Error(`${text} is not a digest`);
  return text;
}
