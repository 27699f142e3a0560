/** Reads stored manifests. Only this file knows in which ways a stored manifest can be damaged. */
import type { Digest } from "../domain/digest.js";
import type { Manifest } from "../domain/manifest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

export interface ReadManifest {
  readonly bytes: Buffer;
  readonly manifest: Manifest;
}

/**
 * A stored manifest that cannot be used: `damaged` if its bytes do not have its digest or are no manifest, `unreadable` if
 * the storage has another kind of object in its place.
 */
export type Unusable = "damaged" | "unreadable";

/** Resolves with `undefined` if the repository has no such manifest. Rejects only if the storage fails. */
export async function readManifest(
  { storage, manifestReader }: Pick<Services, "storage" | "manifestReader">,
  name: RepositoryName,
  digest: Digest,
): Promise<ReadManifest | Unusable | undefined> {
  const bytes = await storage.manifests.read(name, digest);
  if (bytes === undefined || bytes === "unreadable") return bytes;
  const manifest = await manifestReader.stored(bytes, digest);
  return manifest === undefined ? "damaged" : { bytes, manifest };
}

/** Like `readManifest`, for callers that treat a damaged manifest as absent. */
export async function readUsableManifest(
  services: Pick<Services, "storage" | "manifestReader">,
  name: RepositoryName,
  digest: Digest,
): Promise<ReadManifest | undefined> {
  const found = await readManifest(services, name, digest);
  return typeof found === "string" ? undefined : found;
}
