/** Facts about one image or index, with those of the entries of an index. Pure. */
import type { ArtifactKind } from "../domain/artifact-kind.js";
import type { ManifestFacts, Platform } from "../domain/manifest-facts.js";

export interface ImageFacts {
  readonly content: ArtifactKind;
  /** For an index, those of its entries, without attestations. */
  readonly platforms: readonly Platform[];
  /**
   * Size of the config and the layers, as they are transferred; for an index, of the images that are here with their manifests,
   * without attestations, and with what several share counted once.
   */
  readonly bytes: number;
  /** Entries of an index that the repository does not have, at least. */
  readonly missingChildren: number;
  /** Whether sizes and numbers are lower bounds: an index has too many entries, or some are not known yet. */
  readonly isPartial: boolean;
}

/** One manifest by itself. */
export interface OwnFacts extends ManifestFacts {
  readonly platform: Platform | undefined;
}

/** Adds what is known of the entries of an index. */
export function wholeOf(own: OwnFacts, entries: readonly (OwnFacts | "missing" | undefined)[]): ImageFacts {
  const { content, children, childCount } = own;
  const platforms = childCount === 0 ? [own.platform] : children.map(({ platform }) => platform);
  return {
    content,
    platforms: distinct(platforms),
    bytes: bytesOf(own, entries),
    missingChildren: entries.filter((entry) => entry === "missing").length,
    isPartial: childCount > children.length || entries.includes(undefined),
  };
}

function bytesOf(own: OwnFacts, entries: readonly (OwnFacts | "missing" | undefined)[]): number {
  const sizes = new Map(own.contents);
  let bytes = own.otherBytes;
  for (const [index, entry] of entries.entries()) {
    const child = own.children[index];
    if (typeof entry !== "object" || child === undefined || child.isAttestation) continue;
    sizes.set(child.digest, child.size);
    for (const [digest, size] of entry.contents) sizes.set(digest, size);
    bytes += entry.otherBytes;
  }
  for (const size of sizes.values()) bytes += size;
  return bytes;
}

function distinct(platforms: readonly (Platform | undefined)[]): Platform[] {
  const found = new Map<string, Platform>();
  for (const platform of platforms)
    if (platform !== undefined) found.set(JSON.stringify(Object.values(platform)), platform);
  return [...found.values()];
}
