/** Slices of arriving blobs, each a file, for the other processes of this server. They are not synced: a crash ends the fetch. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { isSessionId } from "../../domain/session-id.js";
import type { SliceStore } from "../storage.js";
import type { Layout } from "./layout.js";

export class FileSlices implements SliceStore {
  constructor(
    readonly layout: Layout,
    readonly onError: (error: unknown) => void,
  ) {}

  async put(fetch: string, position: number, bytes: Uint8Array): Promise<void> {
    await writeFile(this.layout.slice(fetch, position), bytes);
  }

  async read(fetch: string, position: number): Promise<Uint8Array | undefined> {
    // Another process has sent it, and it becomes a part of a path.
    if (!isSessionId(fetch)) return undefined;
    try {
      return await readFile(this.layout.slice(fetch, position));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  remove(fetch: string, positions: Iterable<number>): void {
    for (const position of positions)
      rm(this.layout.slice(fetch, position), { force: true }).catch(this.onError);
  }
}
