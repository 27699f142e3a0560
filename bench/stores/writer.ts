/**
 * Writes the files that pushes would have left in a registry's folder, without a server: pushing a million blobs to some
 * would take hours. It syncs and checks nothing: names must be valid and digests correct.
 */
import { copyFileSync, existsSync, linkSync, mkdirSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface StoreWriter {
  blob(repository: string, digest: string, bytes: Uint8Array): void;
  /** Its blobs must exist. */
  manifest(repository: string, digest: string, bytes: Uint8Array): void;
  /** The manifest must exist, and the tag must not. */
  tag(repository: string, tag: string, digest: string): void;
}

/** Creates files and hard links with the folders above them. */
export class FolderWriter {
  readonly #made = new Set<string>();

  write(path: string, bytes: Uint8Array | string): void {
    this.#make(dirname(path));
    writeFileSync(path, bytes);
  }

  /** Like it, for files that others may have as well. */
  writeOnce(path: string, bytes: Uint8Array | string): void {
    if (!existsSync(path)) this.write(path, bytes);
  }

  /** If the file has the maximum number of links, a copy replaces it. */
  link(from: string, to: string): void {
    this.#make(dirname(to));
    try {
      linkSync(from, to);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EMLINK") throw error;
      copyFileSync(from, to);
      unlinkSync(from);
      linkSync(to, from);
    }
  }

  #make(folder: string): void {
    if (this.#made.has(folder)) return;
    mkdirSync(folder, { recursive: true });
    this.#made.add(folder);
  }
}
