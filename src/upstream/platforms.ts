/**
 * Decides which images of an index are fetched if an upstream is cached for some platforms only. The indexes in the store
 * decide, so the answer is the same after a restart and on every node. An image that no stored index names is fetched: somebody
 * asks for its digest.
 */
import { LRUCache } from "lru-cache";
import { isObject, type JsonObject } from "../domain/descriptor.js";
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { inParallel } from "../lib/in-parallel.js";
import { readUsableManifest } from "../registry/read-manifest.js";
import type { Services } from "../registry/services.js";
import { BriefAnswers } from "./brief.js";
import type { Mirrored } from "./mirrored.js";

/** Manifests and entries of indexes that are remembered, because they never change. About 200 bytes each. */
const rememberedMax = 100_000;
const readsAtOnce = 16;

/** Indexes have a few KB. A larger one would take long to parse, and restricts nothing. */
const indexBytesMax = 256 * 1024;

/** The platforms of an index's images, such as `linux/arm64/v8`, by digest. */
type Platforms = ReadonlyMap<string, readonly string[]>;

/** Of all manifests that are no index, or restrict nothing. */
const nothing: Platforms = new Map();

export class IndexedPlatforms {
  readonly #remembered = new LRUCache<Digest, Platforms>({
    maxSize: rememberedMax,
    sizeCalculation: ({ size }) => 1 + size,
  });
  readonly #answers: BriefAnswers<boolean>;

  constructor(
    readonly services: Services,
    milliseconds: number,
  ) {
    this.#answers = new BriefAnswers(milliseconds);
  }

  /** Resolves with whether stored indexes name the image, and all of them for platforms that are not wanted. */
  excludes(from: Mirrored, digest: Digest): Promise<boolean> {
    return this.#answers.get(`${from.permit.name}@${digest}`, () => this.#look(from, digest));
  }

  async #look({ upstream, permit: { name } }: Mirrored, digest: Digest): Promise<boolean> {
    const wanted = upstream.settings.platforms.map(normal);
    const named: string[] = [];
    await inParallel(await this.services.storage.manifests.list(name), readsAtOnce, async (stored) => {
      const platforms = this.#remembered.get(stored) ?? (await this.#read(name, stored));
      named.push(...(platforms.get(digest) ?? []));
    });
    return named.length > 0 && !named.some((one) => wanted.some((pattern) => includes(pattern, one)));
  }

  async #read(name: RepositoryName, stored: Digest): Promise<Platforms> {
    const found = await readUsableManifest(this.services, name, stored);
    // It may have been removed meanwhile.
    if (found === undefined) return nothing;
    const { manifest, bytes } = found;
    const isIndex = manifest.kind === "index" && bytes.length <= indexBytesMax;
    const platforms = isIndex ? platformsOf(JSON.parse(bytes.toString())) : nothing;
    this.#remembered.set(stored, platforms);
    return platforms;
  }
}

/** Attestations are fetched like entries without a platform. */
function platformsOf(index: unknown): Platforms {
  const platforms = new Map<string, string[]>();
  const entries = isObject(index) && Array.isArray(index.manifests) ? index.manifests : [];
  for (const entry of entries) {
    if (!isObject(entry) || typeof entry.digest !== "string") continue;
    const known = platforms.get(entry.digest) ?? [];
    platforms.set(entry.digest, [...known, platformOf(entry) ?? any]);
  }
  return platforms;
}

const any = "";

/** Returns `undefined` for an entry without a platform, and for attestations, whose platform is `unknown/unknown`. */
function platformOf({ platform }: JsonObject): string | undefined {
  const { os, architecture, variant } = isObject(platform) ? platform : {};
  if (typeof os !== "string" || typeof architecture !== "string" || os === "unknown") return undefined;
  return normal([os, architecture, ...(typeof variant === "string" ? [variant] : [])].join("/"));
}

/** Every arm64 is v8 as well. */
function normal(platform: string): string {
  return platform.replace(/^(\w+\/arm64)\/v8$/, "$1");
}

/** `linux/arm` includes `linux/arm/v7`. */
function includes(pattern: string, platform: string): boolean {
  return platform === any || platform === pattern || platform.startsWith(`${pattern}/`);
}

/** Returns whether an entry of an index is for the platform, such as `linux/amd64`. Attestations are for none. */
export function isForPlatform(entry: JsonObject, wanted: string): boolean {
  const platform = platformOf(entry);
  return platform !== undefined && includes(normal(wanted), platform);
}
