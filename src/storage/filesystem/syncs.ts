/** Syncs files and directories if the store is durable, and measures the time. */
import { type FileHandle, open } from "node:fs/promises";
import { Durations } from "../../lib/durations.js";
import type { SyncTimes } from "./file-steps.js";
import { OpenDirectories } from "./open-directories.js";

/** A disk that keeps up with its writers syncs within some milliseconds; one that needs a second delays clients. */
export const syncSecondsBounds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export type Durability = "full" | "relaxed";

export class Syncs {
  readonly files = new Durations(syncSecondsBounds);
  readonly directories = new Durations(syncSecondsBounds);
  readonly #open = new OpenDirectories();

  constructor(readonly durability: Durability) {}

  /** Resolves when the file's bytes are on stable storage. */
  async file(handle: FileHandle): Promise<void> {
    if (this.durability === "full") await this.files.time(() => handle.datasync());
  }

  /** Like `file`, for the file at `path`. */
  async fileAt(path: string): Promise<void> {
    if (this.durability === "full") await within(path, (handle) => this.file(handle));
  }

  /** Resolves when the names in the directory are on stable storage. Keeps it open for the next sync if `keep`. */
  async directory(path: string, keep: boolean): Promise<void> {
    if (this.durability === "relaxed") return;
    await this.directories.time(() => this.#open.sync(path, keep));
  }

  /** Counts the syncs of workers. */
  took({ files, folders }: SyncTimes): void {
    for (const milliseconds of files) this.files.add(milliseconds / 1000);
    for (const milliseconds of folders) this.directories.add(milliseconds / 1000);
  }

  /** Closes the open directories. */
  close(): void {
    this.#open.close();
  }
}

async function within(path: string, work: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, "r");
  try {
    await work(handle);
  } finally {
    await handle.close();
  }
}
