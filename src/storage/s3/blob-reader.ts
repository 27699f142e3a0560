/** Reads the data of a blob, piece by piece. */
import type { BlobReader } from "../storage.js";
import type { S3Client } from "./client.js";
import type { Pointer } from "./contents.js";
import { onStore } from "./failure.js";

export function objectReader(client: S3Client, { key, size }: Pointer): BlobReader {
  return {
    size,
    read: async (into, position) => {
      const wanted = into.subarray(0, Math.max(0, Math.min(into.length, size - position)));
      return (await onStore(() => client.read(key, wanted, position))) ?? 0;
    },
    close: async () => {},
  };
}
