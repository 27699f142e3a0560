/**
 * Writes what pushes would have left in a registry's folder, while no server has it: a million blobs would take hours
 * to push to some. Nothing is synced, and nothing is checked: names must be valid and digests right.
 */
import { copyFileSync, existsSync, linkSync, mkdirSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface StoreWriter {
  blob(repository: string, digest: string, bytes: Uint8Array): void;
  /** Its blobs must be there. */
  manifest(repository: string, digest: string, bytes: Uint8Array): void;
  /** The manifest must be there, and the tag not. */
  tag(repository: string, tag: string, digest: string): void;
}

/** Files and hard links with the folders above them. */
export class FolderWriter {
  readonly #made = new Set<string>();

  write(path: string, bytes: Uint8Array | string): void {
    this.#make(dirname(path));
    writeFileSync(path, bytes);
  }

  /** The same, for what others may have as well. */
  writeOnce(path: string, bytes: Uint8Array | string): void {
    if (!existsSync(path)) this.write(path, bytes);
  }

  /** Where the file has as many links as the file system allows, a copy takes its place. */
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
