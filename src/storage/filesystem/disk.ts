/** Implements the operations of operators' commands on the store's directory. */
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { TagNote } from "../../domain/tag-history.js";
import type { DiskOperations, StrayFile } from "../disk-operations.js";
import type { FileBlobs } from "./blobs.js";
import type { Layout } from "./layout.js";
import type { Quarantine } from "./quarantine.js";
import type { StrayFiles } from "./stray-files.js";
import type { FileTags } from "./tags.js";

export class FileDiskOperations implements DiskOperations {
  constructor(
    readonly layout: Layout,
    readonly blobs: FileBlobs,
    readonly tags: FileTags,
    readonly stray: StrayFiles,
    readonly quarantine: Quarantine,
  ) {}

  isTagCopied(name: RepositoryName, tag: Tag, digest: Digest): Promise<boolean> {
    return this.tags.isCopied(name, tag, digest);
  }

  strayFiles(): AsyncIterable<StrayFile> {
    return this.stray.all();
  }

  quarantineStrayFile(stray: StrayFile): Promise<boolean> {
    return this.stray.quarantine(stray);
  }

  quarantineContent(digest: Digest): Promise<boolean> {
    return this.blobs.quarantineContent(digest);
  }

  quarantineBlob(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.blobs.quarantine(name, digest);
  }

  quarantineManifest(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.quarantine.take(this.layout.manifest(name, digest));
  }

  quarantineTag(name: RepositoryName, tag: Tag, note?: TagNote): Promise<boolean> {
    return this.tags.quarantine(name, tag, note);
  }
}
