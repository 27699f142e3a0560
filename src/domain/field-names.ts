/**
 * Field names that parsers interpret differently. Go's encoding/json, which most clients use, matches keys without regard to
 * case, and the last of several wins; JavaScript, Python and Java match exactly. A manifest with `Layers` beside or instead
 * of `layers` is one image to one client and another image to the next.
 */
import type { JsonObject } from "./descriptor.js";
import { RegistryError } from "./errors.js";

/** The names of an object's fields in the specifications, and the same names case-folded. */
export interface Fields {
  readonly names: ReadonlySet<string>;
  readonly byFolded: ReadonlyMap<string, string>;
}

function fields(...names: string[]): Fields {
  return { names: new Set(names), byFolded: new Map(names.map((name) => [folded(name), name])) };
}

/** image-spec, manifest.md and image-index.md; Docker's manifest and manifest list, version 2, schemas 1 and 2. */
export const manifestFields = fields(
  "schemaVersion",
  "mediaType",
  "artifactType",
  "config",
  "layers",
  "manifests",
  "blobs",
  "fsLayers",
  "subject",
  "annotations",
);

/** image-spec, descriptor.md, and the platform of image-index.md. */
export const descriptorFields = fields(
  "mediaType",
  "digest",
  "size",
  "urls",
  "annotations",
  "data",
  "artifactType",
  "platform",
);

export const platformFields = fields(
  "architecture",
  "os",
  "os.version",
  "os.features",
  "variant",
  "features",
);

/**
 * Folds a name as Go does: by Unicode's simple case folding, in which the long s (U+017F) is an s and the Kelvin sign
 * (U+212A) a k. Upper case maps the first, lower case the second.
 */
function folded(name: string): string {
  return name.toUpperCase().toLowerCase();
}

/** Throws `manifest-invalid` if a key of `object` is one of `known` in another spelling. */
export function refuseOtherSpellings(object: JsonObject, known: Fields, where: string): void {
  for (const key of Object.keys(object)) {
    if (known.names.has(key)) continue;
    const name = known.byFolded.get(folded(key));
    if (name === undefined) continue;
    throw new RegistryError(
      "manifest-invalid",
      `${where} has a key that differs from ${name} only in case: clients would disagree about what the manifest is`,
      { field: key.slice(0, fieldCharactersToldMax) },
    );
  }
}

const fieldCharactersToldMax = 100;
