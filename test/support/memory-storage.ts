// A storage in memory, for tests of the layers above it.

import { SlabPool } from "../../src/lib/slab-pool.js";
import type { MemoryData } from "../../src/storage/memory/memory-data.js";
import { openMemoryStorage } from "../../src/storage/memory/open.js";
import type { Storage } from "../../src/storage/storage.js";

/** With `data`, opens the data of another storage. */
export function memoryStorage(data?: MemoryData): Storage {
  const slabs = new SlabPool({ slabBytes: 8192, blockBytes: 4096, slabs: 16, overflowBytes: 0 });
  return openMemoryStorage(slabs, data);
}
