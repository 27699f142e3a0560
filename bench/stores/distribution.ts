/** A folder of CNCF distribution's file system driver. Tags have no history, which only deletions read. */
import { DistributionFolder } from "../../test/support/distribution.js";
import { FolderWriter, type StoreWriter } from "./writer.js";

export class DistributionStore implements StoreWriter {
  readonly #paths: DistributionFolder;
  readonly #folder = new FolderWriter();

  constructor(root: string) {
    this.#paths = new DistributionFolder(root);
  }

  blob(repository: string, digest: string, bytes: Uint8Array): void {
    this.#folder.writeOnce(this.#paths.data(digest), bytes);
    this.#folder.write(this.#paths.layer(repository, digest), digest);
  }

  manifest(repository: string, digest: string, bytes: Uint8Array): void {
    this.#folder.writeOnce(this.#paths.data(digest), bytes);
    this.#folder.write(this.#paths.revision(repository, digest), digest);
  }

  tag(repository: string, tag: string, digest: string): void {
    this.#folder.write(`${this.#paths.tag(repository, tag)}/current/link`, digest);
  }
}
