/**
 * Parses large manifests, JSON of several MiB, and computes their digests. At a lower priority than the other threads,
 * which have short work for clients that wait.
 */
import { move, transferableSymbol, valueSymbol } from "piscina";
import type { PushedBytes } from "../../src/domain/pushed-manifest.js";
import { readPushed } from "../../src/domain/pushed-manifest.js";
import { readFacts, readStored } from "../../src/domain/stored-manifest.js";
import {
  type Answer,
  answered,
  type ManifestTasks,
  type StoredBytes,
} from "../../src/registry/manifest-reader/manifest-protocol.js";
import { packManifest, packMismatches } from "../../src/registry/manifest-reader/packed-manifest.js";
import { lowerPriority } from "./priority.js";

lowerPriority();

/** Transfers the bytes back, unless the manifest is refused. */
export async function pushed(task: PushedBytes): Promise<unknown> {
  const { bytes } = task;
  const answer: Answer<ManifestTasks["pushed"]["value"]> = await answered(async () => {
    const { manifest, digest, mismatches } = await readPushed(task);
    return { digest, bytes, manifest: packManifest(manifest), mismatches: packMismatches(mismatches) };
  });
  return "value" in answer ? moving(answer, bytes) : answer;
}

function moving(value: object, { buffer }: Uint8Array): unknown {
  return move({
    get [transferableSymbol]() {
      return buffer;
    },
    get [valueSymbol]() {
      return value;
    },
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

export function facts({ bytes, digest }: StoredBytes): Promise<Answer<ManifestTasks["facts"]["value"]>> {
  return answered(() => readFacts(bytes, digest));
}
