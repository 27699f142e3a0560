/**
 * Directories and files that another program has written, on a disk or in a bucket. Paths use `/`. A missing file is absent;
 * for one that cannot be read, all methods reject with `SourceError`.
 */
import type { Outside } from "../storage/outside.js";

export interface TreeEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

export interface SourceTree {
  /** The path that the operator named; empty for a bucket. */
  readonly base: string;
  /** The place, for people. */
  readonly place: string;
  /** Returns what is in a directory, in a bucket only its directories; nothing for a missing one. */
  entries(folder: string): Promise<readonly TreeEntry[]>;
  isFolder(path: string): Promise<boolean>;
  /** Returns the size in bytes, or `undefined` if there is no such file. */
  fileSize(path: string): Promise<number | undefined>;
  /** Reads a small file, or returns `undefined` if there is none. Rejects if it is longer than `bytesMax`. */
  readSmall(path: string, bytesMax: number): Promise<Buffer | undefined>;
  /** Returns the bytes of a file. Rejects if it does not have `size` of them. */
  read(path: string, size: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Names a file for a storage that can link or copy it. */
  outside(path: string, size: number): Outside;
  close(): Promise<void>;
}
