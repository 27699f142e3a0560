/**
 * Manifests and indexes (image-spec, manifest.md and image-index.md; Docker's image manifest version 2,
 * schema 2), parsed once where they come in. The bytes are kept as they were pushed; what this file
 * takes from them is what the registry's rules need.
 */
import {
  type Annotations,
  type Descriptor,
  isObject,
  type JsonObject,
  parseAnnotations,
  parseDescriptor,
} from "./descriptor.js";
import type { Digest } from "./digest.js";
import { RegistryError } from "./errors.js";
import {
  isManifestMediaType,
  isNonDistributable,
  kindOf,
  type ManifestKind,
  type ManifestMediaType,
  mediaTypes,
} from "./media-type.js";

/** Clients and registries SHOULD support at least 4 megabytes (distribution-spec, «Pushing Manifests»). */
export const manifestBytesMax = 4 * 1024 * 1024;

export interface Manifest {
  readonly mediaType: ManifestMediaType;
  readonly kind: ManifestKind;
  /** Blobs that must be in the repository: the config and the layers that may be distributed. */
  readonly blobs: readonly Descriptor[];
  /** Manifests that must be in the repository unless sparse ones are allowed. */
  readonly children: readonly Descriptor[];
  /** All content that it names but for its subject, also what need not be here. */
  readonly named: readonly Digest[];
  readonly subject: Descriptor | undefined;
  /** As a list of referrers gives it: an image without one has its config's media type, an index none. */
  readonly artifactType: string | undefined;
  readonly annotations: Annotations | undefined;
}

/**
 * The manifest in `bytes`. `contentType` is the request's header without parameters, `""` where there
 * was none. Throws `manifest-invalid`.
 */
export function parseManifest(bytes: Uint8Array, contentType: string): Manifest {
  const json = parseJson(bytes);
  refuseSchema1(json, contentType);
  const mediaType = mediaTypeOf(json, contentType);
  const kind = kindOf(mediaType);
  refuseAmbiguity(json, kind);
  if (json.schemaVersion !== 2) throw invalid("schemaVersion must be 2");
  const artifactType = optionalString(json, "artifactType");
  const common = {
    mediaType,
    kind,
    subject: json.subject == null ? undefined : parseDescriptor(json.subject, "subject"),
    annotations: parseAnnotations(json.annotations),
  };
  if (kind === "index") {
    if (!("manifests" in json)) throw invalid("an index must have manifests");
    const children = descriptors(json, "manifests");
    return {
      ...common,
      blobs: [],
      children,
      named: digestsOf(children),
      artifactType: artifactType || undefined,
    };
  }
  const config = parseDescriptor(json.config, "config");
  const layers = descriptors(json, "layers");
  return {
    ...common,
    blobs: [config, ...layers.filter((layer) => !isNonDistributable(layer.mediaType))],
    children: [],
    named: digestsOf([config, ...layers]),
    artifactType: artifactType || config.mediaType,
  };
}

function digestsOf(descriptors: readonly Descriptor[]): Digest[] {
  return descriptors.map(({ digest }) => digest);
}

/** The media type of stored manifest bytes, which were checked when they were pushed. */
export function storedMediaType(bytes: Uint8Array): ManifestMediaType {
  const json = parseJson(bytes);
  return mediaTypeOf(json, "");
}

function invalid(message: string, detail?: unknown): RegistryError {
  return new RegistryError("manifest-invalid", message, detail);
}

function parseJson(bytes: Uint8Array): JsonObject {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw invalid("the manifest is not JSON in UTF-8", error instanceof Error ? error.message : undefined);
  }
  if (!isObject(json)) throw invalid("the manifest is not a JSON object");
  return json;
}

function refuseSchema1(json: JsonObject, contentType: string): void {
  const types = [contentType, json.mediaType];
  if (
    json.schemaVersion === 1 ||
    types.includes(mediaTypes.dockerSchema1) ||
    types.includes(mediaTypes.dockerSchema1Signed)
  ) {
    throw invalid(
      "Docker image manifests of schema 1 are not supported: push the image with Docker 1.10 or later",
    );
  }
}

/** Characters of a wrong media type that the client is told: it may be as long as a manifest. */
const mediaTypeToldMax = 100;

/** If a manifest includes `mediaType`, clients MUST set `Content-Type` to its value («Pushing Manifests»). */
function mediaTypeOf(json: JsonObject, contentType: string): ManifestMediaType {
  const declared = optionalString(json, "mediaType");
  if (declared !== undefined && contentType !== "" && declared !== contentType) {
    throw invalid("mediaType and Content-Type disagree", {
      mediaType: declared.slice(0, mediaTypeToldMax),
      contentType: contentType.slice(0, mediaTypeToldMax),
    });
  }
  if (declared === undefined && contentType !== "" && !isOci(contentType)) {
    throw invalid(
      `a manifest of type ${contentType.slice(0, mediaTypeToldMax)} must say so in its mediaType`,
    );
  }
  const mediaType = declared ?? (contentType || mediaTypeByShape(json));
  if (!isManifestMediaType(mediaType)) {
    throw invalid("not a media type of a manifest", { mediaType: mediaType.slice(0, mediaTypeToldMax) });
  }
  return mediaType;
}

function isOci(mediaType: string): boolean {
  return mediaType === mediaTypes.ociManifest || mediaType === mediaTypes.ociIndex;
}

/** Only OCI allows a manifest without `mediaType`. */
function mediaTypeByShape(json: JsonObject): ManifestMediaType {
  if ("manifests" in json) return mediaTypes.ociIndex;
  if ("config" in json) return mediaTypes.ociManifest;
  throw invalid("neither an image manifest nor an index");
}

/** A document that reads as both would be one thing to one client and another to the next (CVE-2021-41190). */
function refuseAmbiguity(json: JsonObject, kind: ManifestKind): void {
  const foreign = kind === "index" ? ["config", "layers", "fsLayers"] : ["manifests", "fsLayers"];
  for (const field of foreign) {
    if (json[field] !== undefined) throw invalid(`an ${kind} has no ${field}`, { field });
  }
}

function optionalString(json: JsonObject, field: string): string | undefined {
  const value = json[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw invalid(`${field} is not a string`);
  return value;
}

/** Go clients write an empty list as `null`. */
function descriptors(json: JsonObject, field: string): Descriptor[] {
  const value = json[field] ?? [];
  if (!Array.isArray(value)) throw invalid(`${field} is not a list`);
  return value.map((entry, index) => parseDescriptor(entry, `${field}[${index}]`));
}
