/** Parses the bytes of a stored manifest, which may be damaged. */
import { algorithmOf, type Digest } from "./digest.js";
import { RegistryError } from "./errors.js";
import { digestBytes } from "./hash.js";
import { listed, type Manifest, parseStoredManifest } from "./manifest.js";
import { type ManifestFacts, manifestFacts } from "./manifest-facts.js";

/** Resolves with `undefined` if the bytes do not have the digest, or are no manifest. */
export async function readStored(bytes: Uint8Array, digest: Digest): Promise<Manifest | undefined> {
  if ((await digestBytes(algorithmOf(digest), bytes)) !== digest) return undefined;
  try {
    return listed(parseStoredManifest(bytes));
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}

/** Like `readStored`, with what people want to know about the manifest. */
export async function readFacts(bytes: Uint8Array, digest: Digest): Promise<ManifestFacts | undefined> {
  return (await digestBytes(algorithmOf(digest), bytes)) === digest ? manifestFacts(bytes) : undefined;
}
