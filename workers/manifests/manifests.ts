/** Parses large manifests, JSON of several MiB, and computes their digests. */
import type { PushedBytes } from "../../src/domain/pushed-manifest.js";
import { readPushed } from "../../src/domain/pushed-manifest.js";
import { readStored } from "../../src/domain/stored-manifest.js";
import {
  type Answer,
  answered,
  type ManifestTasks,
  type StoredBytes,
} from "../../src/registry/manifest-reader/manifest-protocol.js";
import { packManifest } from "../../src/registry/manifest-reader/packed-manifest.js";

export function pushed(task: PushedBytes): Promise<Answer<ManifestTasks["pushed"]["value"]>> {
  return answered(async () => {
    const { manifest, ...read } = await readPushed(task);
    return { ...read, manifest: packManifest(manifest) };
  });
}

export function stored({ bytes, digest }: StoredBytes): Promise<Answer<ManifestTasks["stored"]["value"]>> {
  return answered(async () => {
    const manifest = await readStored(bytes, digest);
    return manifest && packManifest(manifest);
  });
}

export function mediaType({
  bytes,
  digest,
}: StoredBytes): Promise<Answer<ManifestTasks["mediaType"]["value"]>> {
  return answered(async () => (await readStored(bytes, digest))?.mediaType);
}
