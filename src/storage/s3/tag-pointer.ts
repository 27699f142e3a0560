/** The object of a tag: it names the manifest, and when the tag was pushed if it comes from another store. */
import { algorithms, type Digest, digestOf, hexLengthOf, isDigest } from "../../domain/digest.js";
import { nonce } from "./client.js";
import { jsonObject } from "./stored-records.js";

export interface Pointer {
  readonly digest: Digest;
  /** In milliseconds since the epoch; absent if it is the object's own time. */
  readonly pushedAt?: number;
  /** Of this push. The entry in the tag's history has the same one. */
  readonly nonce?: string;
}

export function pointerBytes({ digest, pushedAt, nonce }: Pointer): Buffer {
  return Buffer.from(JSON.stringify({ digest, ...(pushedAt !== undefined && { pushedAt }), nonce }));
}

/** Returns `undefined` if the object is damaged. */
export function parsePointer(bytes: Buffer): Pointer | undefined {
  const { digest, pushedAt, nonce } = jsonObject(bytes) ?? {};
  if (typeof digest !== "string" || !isDigest(digest)) return undefined;
  return {
    digest,
    ...(typeof pushedAt === "number" && { pushedAt }),
    ...(typeof nonce === "string" && { nonce }),
  };
}

/** Sizes of tags that count as pushed when they were written. Imported ones are longer. */
const ownTimeSizes = new Set(
  algorithms.map((algorithm) => {
    const digest = digestOf(algorithm, "0".repeat(hexLengthOf(algorithm)));
    return pointerBytes({ digest, nonce: nonce() }).length;
  }),
);

/** Whether a tag's object of this size counts as pushed when it was written. */
export function hasOwnTime(size: number): boolean {
  return ownTimeSizes.has(size);
}
