/** The media types that the registry interprets; it accepts all others without interpretation. */
export const mediaTypes = {
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociIndex: "application/vnd.oci.image.index.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerSchema1: "application/vnd.docker.distribution.manifest.v1+json",
  dockerSchema1Signed: "application/vnd.docker.distribution.manifest.v1+prettyjws",
} as const;

export type ManifestMediaType =
  | typeof mediaTypes.ociManifest
  | typeof mediaTypes.ociIndex
  | typeof mediaTypes.dockerManifest
  | typeof mediaTypes.dockerList;

export type ManifestKind = "image" | "index";

const kinds: Readonly<Record<ManifestMediaType, ManifestKind>> = {
  [mediaTypes.ociManifest]: "image",
  [mediaTypes.dockerManifest]: "image",
  [mediaTypes.ociIndex]: "index",
  [mediaTypes.dockerList]: "index",
};

export function isManifestMediaType(text: string): text is ManifestMediaType {
  return Object.hasOwn(kinds, text);
}

export function kindOf(mediaType: ManifestMediaType): ManifestKind {
  return kinds[mediaType];
}

/** Returns the type without its parameters, which the registry SHOULD ignore (distribution-spec, "Pushing Manifests"). */
export function withoutParameters(header: string): string {
  const semicolon = header.indexOf(";");
  return (semicolon === -1 ? header : header.slice(0, semicolon)).trim().toLowerCase();
}

/**
 * Returns whether the registry may lack such layers: for licensing reasons their bytes come from elsewhere (image-spec,
 * layer.md#non-distributable-layers; Docker's foreign layers).
 */
export function isNonDistributable(mediaType: string): boolean {
  return (
    mediaType.startsWith("application/vnd.oci.image.layer.nondistributable.") ||
    mediaType.startsWith("application/vnd.docker.image.rootfs.foreign.")
  );
}

/** RFC 6838, section 4.2: a type and a subtype, each of at most 127 characters; then parameters in printable ASCII. */
const wellFormed =
  /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}(?: *;[\x20-\x7e]*)?$/;

/** Descriptors' media types MUST comply with RFC 6838 (image-spec, descriptor.md, "Properties"). */
export function isWellFormedMediaType(text: string): boolean {
  return wellFormed.test(text);
}
