/** Makes room in a full storage for what is being fetched. */
import { RegistryError } from "../domain/errors.js";
import type { Space } from "../storage/storage.js";
import type { Evictor } from "./evictor.js";

/** What a fetch may need beside its announced bytes: manifests, small blobs, folders. */
const spareBytes = 8 * 1024 * 1024;

/** A large blob is stored twice while it arrives: for its readers, and as an upload. */
const copies = 2;

/** Runs `work` again, once, if the storage was full and an eviction has made room for `bytes()`. */
export async function withRoom<T>(
  room: Pick<Evictor, "makeRoom">,
  bytes: () => number,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isFull(error) || !(await room.makeRoom(bytes() * copies + spareBytes))) throw error;
    return work();
  }
}

function isFull(error: unknown): boolean {
  return error instanceof RegistryError && error.kind === "storage-full";
}

/** Throws `storage-full` for a blob that the free space cannot hold, before it fills the disk under pushes. */
export function demandSpace(bytes: number, space: Space | undefined): void {
  if (space !== undefined && bytes * copies > space.freeBytes)
    throw new RegistryError("storage-full", "the storage has no space for a blob of an upstream registry");
}

/** Returns how large a blob of unknown size may become. */
export function unannouncedBytesMax(blobBytesMax: number, space: Space | undefined): number {
  return Math.min(blobBytesMax, Math.floor((space?.freeBytes ?? Number.POSITIVE_INFINITY) / (2 * copies)));
}
