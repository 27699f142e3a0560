/** Reading the bytes of a stored manifest, which damage may have changed. */
import { algorithmOf, type Digest } from "./digest.js";
import { digestBytes } from "./hash.js";
import { listed, type Manifest, parseStoredManifest } from "./manifest.js";

/** The manifest, `undefined` where the bytes do not have the digest. Rejects with `manifest-invalid` if they are none. */
export async function readStored(bytes: Uint8Array, digest: Digest): Promise<Manifest | undefined> {
  return (await digestBytes(algorithmOf(digest), bytes)) === digest
    ? listed(parseStoredManifest(bytes))
    : undefined;
}
