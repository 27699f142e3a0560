/** Fetches whole images before clients ask for them. */
import { anonymous } from "../auth/identity.js";
import { ownGate } from "../auth/own-gate.js";
import type { StoredManifest } from "../cache/caches.js";
import { isObject } from "../domain/descriptor.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import { isManifestMediaType } from "../domain/media-type.js";
import { inParallel } from "../lib/in-parallel.js";
import type { MirroredRepository, UpstreamCache } from "./cache.js";
import type { NamedImage } from "./image-reference.js";
import { isForPlatform } from "./platforms.js";

/** Blobs of one image fetched at once. */
const blobsAtOnce = 4;

/** An index of indexes is rare, and no use of a third level is known. */
const depthMax = 4;

export interface Warmed {
  readonly manifests: number;
  readonly blobs: number;
  /** Size of these blobs, and of what was fetched now. */
  readonly bytes: number;
  readonly fetchedBytes: number;
}

export interface WarmOptions {
  /** Such as `linux/amd64`; by default all that the settings of the upstream allow. */
  readonly platforms: readonly string[];
  readonly signal: AbortSignal;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
}

/** Resolves when the whole image is here. Rejects like a pull of the first part that cannot be fetched. */
export async function warmImage(
  cache: UpstreamCache,
  { name, reference }: NamedImage,
  options: WarmOptions,
): Promise<Warmed> {
  const repository = cache.of(ownGate.pull(anonymous, name), { client: "gantry cache warm" });
  if (repository === undefined) throw new RegistryError("name-unknown", `${name} belongs to no upstream`);
  const { manifest } = await repository.manifest(reference);
  const image = new ImageWarming(cache, repository, options);
  await image.collect(manifest, 0);
  return image.fetchBlobs();
}

class ImageWarming {
  readonly #manifests = new Set<Digest>();
  readonly #blobs = new Map<Digest, number>();

  constructor(
    readonly cache: UpstreamCache,
    readonly repository: MirroredRepository,
    readonly options: WarmOptions,
  ) {}

  /** Fetches the manifests below one, and notes the blobs. */
  async collect({ digest, bytes }: StoredManifest, depth: number): Promise<void> {
    this.options.signal.throwIfAborted();
    if (this.#manifests.has(digest)) return;
    this.#manifests.add(digest);
    const manifest = await this.cache.services.manifestReader.stored(bytes, digest);
    if (manifest === undefined || depth > depthMax)
      throw new RegistryError("manifest-invalid", `the manifest ${digest} cannot be followed`);
    for (const blob of manifest.blobs) this.#blobs.set(blob.digest, blob.size);
    const unwanted = manifest.kind === "index" ? this.#unwanted(bytes) : new Set<string>();
    for (const child of manifest.children) {
      if (unwanted.has(child.digest)) continue;
      if (!isManifestMediaType(child.mediaType)) this.#blobs.set(child.digest, child.size);
      else await this.#collectChild(child.digest, depth + 1);
    }
  }

  async #collectChild(digest: Digest, depth: number): Promise<void> {
    try {
      const { manifest } = await this.repository.manifest({ kind: "digest", digest });
      await this.collect(manifest, depth);
    } catch (error) {
      const isExcluded = this.repository.from.upstream.settings.platforms.length > 0;
      // The settings of the upstream exclude its platform.
      if (isExcluded && error instanceof RegistryError && error.kind === "manifest-unknown") return;
      throw error;
    }
  }

  /** Returns the digests of an index's entries for other platforms. */
  #unwanted(bytes: Buffer): ReadonlySet<string> {
    const { platforms } = this.options;
    const index: unknown = platforms.length === 0 ? {} : JSON.parse(bytes.toString());
    const entries = isObject(index) && Array.isArray(index.manifests) ? index.manifests.filter(isObject) : [];
    const wanted = entries.filter((entry) => platforms.some((platform) => isForPlatform(entry, platform)));
    if (entries.length > 0 && wanted.length === 0)
      throw new RegistryError("manifest-unknown", `the image is not for ${platforms.join(" or ")}`);
    const kept = new Set(wanted.map(({ digest }) => String(digest)));
    return new Set(entries.map(({ digest }) => String(digest)).filter((digest) => !kept.has(digest)));
  }

  async fetchBlobs(): Promise<Warmed> {
    const { onProgress, signal } = this.options;
    const total = [...this.#blobs.values()].reduce((sum, size) => sum + size, 0);
    let [done, fetchedBytes] = [0, 0];
    onProgress(0, total);
    await inParallel(this.#blobs, blobsAtOnce, async ([digest, size]) => {
      signal.throwIfAborted();
      if (await this.repository.ensureBlob(digest)) fetchedBytes += size;
      done += size;
      onProgress(done, total);
    });
    return { manifests: this.#manifests.size, blobs: this.#blobs.size, bytes: total, fetchedBytes };
  }
}
