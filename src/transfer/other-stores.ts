/** Opens what other programs, or another server of this program, have stored. Implemented where storage drivers are known. */
import type { ReadableStore } from "../storage/readable-store.js";
import type { OnStray } from "./source.js";
import type { SourceTree } from "./tree.js";

export interface OtherStores {
  /**
   * Opens a store of this program for reading. `place` is its folder, or the path of a settings file that names its folder or
   * bucket. Rejects if there is none, or if it is the store into which this process imports.
   */
  store(place: string, onStray: OnStray): Promise<ReadableStore>;
  /** Opens what CNCF distribution has stored. `place` is its root directory, or the path of its settings file. */
  distribution(place: string): Promise<SourceTree>;
}
