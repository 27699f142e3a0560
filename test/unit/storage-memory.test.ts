// The storage in memory keeps the promises of the port.

import { MemoryData } from "../../src/storage/memory/memory-data.js";
import { openMemoryStorage } from "../../src/storage/memory/open.js";
import { testStorage } from "../contract/storage.js";

testStorage({
  name: "memory",
  sharesContent: true,
  freesAtOnce: true,
  create: async () => {
    const data = new MemoryData();
    return {
      open: async (slabs) => openMemoryStorage(slabs, data),
      plantOrphan: async (digest, bytes) => void data.contents.set(digest, bytes),
      damageBlob: async (_, digest) => void data.contents.set(digest, Buffer.from("damage")),
      damageTag: async (name, tag) =>
        void data.made(name).tags.set(tag, { digest: undefined, pushedAt: Date.now() }),
      damageReferrer: async (name, subject, referrer) =>
        void data.made(name).referrers.get(subject)?.set(referrer, undefined),
      remove: async () => {},
    };
  },
});
