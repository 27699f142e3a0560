/** A folder in Gantry's own layout. */
import { parseDigest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { Layout, pointerFile, tagManifestFile } from "../../src/storage/filesystem/layout.js";
import { FolderWriter, type StoreWriter } from "./writer.js";

export class GantryStore implements StoreWriter {
  readonly #layout: Layout;
  readonly #folder = new FolderWriter();

  constructor(root: string) {
    this.#layout = new Layout(root);
  }

  blob(repository: string, digestText: string, bytes: Uint8Array): void {
    const digest = parseDigest(digestText);
    const content = this.#layout.content(digest);
    this.#folder.writeOnce(content, bytes);
    this.#folder.link(content, this.#layout.blob(parseRepositoryName(repository), digest));
  }

  manifest(repository: string, digest: string, bytes: Uint8Array): void {
    this.#folder.write(this.#layout.manifest(parseRepositoryName(repository), parseDigest(digest)), bytes);
  }

  tag(repository: string, tag: string, digest: string): void {
    const name = parseRepositoryName(repository);
    const folder = this.#layout.tag(name, parseTag(tag));
    this.#folder.write(`${folder}/${pointerFile}`, digest);
    this.#folder.link(this.#layout.manifest(name, parseDigest(digest)), `${folder}/${tagManifestFile}`);
  }
}
