/** A bucket that another program has written, which this process only reads. Rejects with the errors of the storage port. */
import type { OutsideObject } from "./outside.js";
import type { BlobReader } from "./storage.js";

export interface OutsideBucket {
  /** Yields the names directly below `prefix`, which ends in a slash, that have objects below themselves. */
  folders(prefix: string): AsyncIterable<string>;
  /** Resolves with whether there are objects whose keys begin with `prefix`. */
  has(prefix: string): Promise<boolean>;
  /** Resolves with the size in bytes, or with `undefined` if there is no such object. */
  size(key: string): Promise<number | undefined>;
  /** Resolves with a whole object, `too large` for one of more than `bytesMax` bytes, `undefined` if there is none. */
  read(key: string, bytesMax: number): Promise<Buffer | "too large" | undefined>;
  reader(key: string, size: number): BlobReader;
  /** Names an object for a storage that can copy it within the store. */
  outside(key: string, size: number): OutsideObject;
  close(): Promise<void>;
}
