/** A repository in the storage directory of CNCF distribution, read through its link files. */
import type { Digest } from "../../domain/digest.js";
import { algorithmOf, encodedOf, isDigest } from "../../domain/digest.js";
import { manifestBytesMax } from "../../domain/manifest.js";
import { isTag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { OnStray, SourceBlob, SourceManifest, SourceRepository, SourceTag } from "../source.js";
import type { SourceTree } from "../tree.js";
import { dataPath, digestsIn } from "./layout.js";

/** The longest digest has 135 characters. */
const linkBytesMax = 1024;

export class DistributionRepository implements SourceRepository {
  constructor(
    readonly tree: SourceTree,
    /** The directory with `blobs` and `repositories`. */
    readonly root: string,
    readonly name: RepositoryName,
    readonly folder: string,
    readonly onStray: OnStray,
  ) {}

  /** Number of tags and manifests. */
  async roots(): Promise<number> {
    let count = (await this.tree.entries(this.#tags)).length;
    for (const { name } of await this.tree.entries(this.#revisions))
      count += (await this.tree.entries(`${this.#revisions}/${name}`)).length;
    return count;
  }

  get #tags(): string {
    return `${this.folder}/_manifests/tags`;
  }

  get #revisions(): string {
    return `${this.folder}/_manifests/revisions`;
  }

  get #layers(): string {
    return `${this.folder}/_layers`;
  }

  async *tags(): AsyncIterable<SourceTag> {
    for (const { name } of await this.tree.entries(this.#tags)) {
      const path = `${this.#tags}/${name}`;
      if (isTag(name)) yield { tag: name, digest: () => this.#linkAt(`${path}/current`) };
      else this.onStray(path, "not a valid tag");
    }
  }

  manifests(): AsyncIterable<Digest> {
    return digestsIn(this.tree, this.#revisions, this.onStray);
  }

  blobs(): AsyncIterable<Digest> {
    return digestsIn(this.tree, this.#layers, this.onStray);
  }

  /** None: `manifests` lists everything. */
  async *referrers(): AsyncIterable<Digest> {}

  async manifest(digest: Digest): Promise<SourceManifest | undefined> {
    const stored = await this.#storedAs(this.#revisions, digest);
    const bytes = stored && (await this.tree.readSmall(dataPath(this.root, stored), manifestBytesMax));
    return bytes && { bytes, mediaType: "" };
  }

  async blob(digest: Digest): Promise<SourceBlob | undefined> {
    const stored = await this.#storedAs(this.#layers, digest);
    if (stored === undefined) return undefined;
    const file = dataPath(this.root, stored);
    const size = await this.tree.fileSize(file);
    if (size === undefined) return undefined;
    // A crash has left it empty, or its bytes are stored under a digest of another algorithm.
    const unsure = size === 0 || stored !== digest;
    const { tree } = this;
    return {
      size,
      unsure,
      outside: tree.outside(file, size),
      read: (signal) => tree.read(file, size, signal),
    };
  }

  /** Returns the digest under which distribution stores the bytes of the repository's `digest`. */
  #storedAs(folder: string, digest: Digest): Promise<Digest | undefined> {
    return this.#linkAt(`${folder}/${algorithmOf(digest)}/${encodedOf(digest)}`);
  }

  async #linkAt(folder: string): Promise<Digest | undefined> {
    const path = `${folder}/link`;
    const text = (await this.tree.readSmall(path, linkBytesMax))?.toString("latin1").trim();
    if (text === undefined || isDigest(text)) return text;
    this.onStray(path, text === "" ? "an empty link" : "a link without a valid digest");
    return undefined;
  }
}
