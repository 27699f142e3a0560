/**
 * Manifests and indexes (image-spec, manifest.md and image-index.md; Docker's image manifest version 2, schema 2), parsed
 * once on push. The bytes are stored unchanged; this file extracts the parts that the registry's rules need.
 */
import { isUtf8 } from "node:buffer";
import { visibleLine } from "../lib/control-characters.js";
import { cutText } from "../lib/cut-text.js";
import { countKeys, duplicateKey, jsonShape } from "../lib/json-scan.js";
import {
  type Annotations,
  type Descriptor,
  isObject,
  type JsonObject,
  parseAnnotations,
  parseDescriptor,
} from "./descriptor.js";
import { type Digest, isDigest } from "./digest.js";
import { RegistryError } from "./errors.js";
import {
  descriptorFields,
  type Fields,
  manifestFields,
  platformFields,
  refuseOtherSpellings,
} from "./field-names.js";
import {
  isManifestMediaType,
  isNonDistributable,
  isWellFormedMediaType,
  kindOf,
  type ManifestKind,
  type ManifestMediaType,
  mediaTypes,
} from "./media-type.js";

/** Clients and registries SHOULD support at least 4 megabytes (distribution-spec, "Pushing Manifests"). */
export const manifestBytesMax = 4 * 1024 * 1024;

export interface Manifest {
  readonly mediaType: ManifestMediaType;
  readonly kind: ManifestKind;
  /** Blobs that must be in the repository: the config and the distributable layers. */
  readonly blobs: readonly Descriptor[];
  /** Manifests that must be in the repository, unless sparse indexes are allowed. */
  readonly children: readonly Descriptor[];
  /** All content that it names except its subject, including content that need not be present. */
  readonly named: readonly Digest[];
  readonly subject: Descriptor | undefined;
  /** For lists of referrers: an image without an artifact type uses its config's media type, an index has none. */
  readonly artifactType: string | undefined;
  readonly annotations: Annotations | undefined;
}

type Lists = "blobs" | "children" | "named";

/** A manifest whose descriptors, up to thousands, may be created one by one. */
export type ManifestContent = Omit<Manifest, Lists> & {
  readonly [List in Lists]: Iterable<Manifest[List][number]>;
};

/** Bounds on a manifest's content. With its size, they bound the cost of parsing, storing, listing and collecting it. */
export interface ManifestBounds {
  /** Nesting depth of objects and lists. */
  readonly depthMax: number;
  /** Total keys of all objects. */
  readonly keysMax: number;
  /** Descriptors: config, layers, manifests and subject. */
  readonly descriptorsMax: number;
  /** JSON bytes of the annotations of a manifest with a subject: each list of referrers repeats them. */
  readonly annotationBytesMax: number;
}

/**
 * Parses a manifest sent by a client. `contentType` is the request's header without parameters, `""` if absent. Throws
 * `manifest-invalid`, also for a manifest that exceeds `bounds`, before that costs anything. A malformed media type is an
 * error, too, or is passed to `onMalformed`.
 */
export function parseManifest(
  bytes: Uint8Array,
  contentType: string,
  bounds: ManifestBounds,
  onMalformed: (what: string) => void = refuseMalformed,
): Manifest {
  const shape = jsonShape(bytes);
  const { depthMax, keysMax, descriptorsMax, annotationBytesMax } = bounds;
  refuseExcess("levels of nesting", shape.depth, depthMax, "limits.manifestdepth");
  refuseExcess("keys", shape.keys, keysMax, "limits.manifestkeys");
  refuseExcess("values", shape.entries, keysMax * entriesPerKeyMax, "limits.manifestkeys");
  const json = parseJson(bytes);
  if (countKeys(json) !== shape.keys) throw duplicate(bytes);
  for (const [where, object, known] of objectsRead(json)) {
    refuseOtherSpellings(object, known, where);
    for (const what of malformedMediaTypes(object, where)) onMalformed(what);
  }
  refuseExcess("layers", listLength(json.layers), descriptorsMax, "limits.manifestdescriptors");
  refuseExcess("manifests", listLength(json.manifests), descriptorsMax, "limits.manifestdescriptors");
  refuseFractions(bytes);
  const manifest = readManifest(json, contentType);
  const { subject, annotations } = manifest;
  if (subject !== undefined && annotations !== undefined) {
    const size = Buffer.byteLength(JSON.stringify(annotations));
    refuseExcess("bytes of annotations beside a subject", size, annotationBytesMax, "limits.annotationbytes");
  }
  return manifest;
}

/** JSON characters of the annotations of an entry in a list of referrers: the maximum that the setting allows. */
export const listedAnnotationsMax = 128 * 1024;

/**
 * Drops annotations unless a list of referrers repeats them: nothing else reads them, and copying a hundred thousand between
 * threads takes long. Manifests stored before annotations were bounded may have more, and are listed without them.
 */
export function listed({ annotations, ...manifest }: Manifest): Manifest {
  const areListed =
    annotations !== undefined &&
    manifest.subject !== undefined &&
    JSON.stringify(annotations).length <= listedAnnotationsMax;
  return { ...manifest, annotations: areListed ? annotations : undefined };
}

const keyCharactersShownMax = 100;

function duplicate(bytes: Uint8Array): RegistryError {
  const key = cutText(duplicateKey(bytes) ?? "", keyCharactersShownMax);
  return invalid(`an object in the manifest has a key twice: ${visibleLine(JSON.stringify(key))}`);
}

/** A field that Go clients parse as an integer, with a number that they reject although it may be whole: `1.0`, `1e2`. */
const fractionalField = /"(size|schemaVersion)"\s*:\s*-?\d+[.eE]/;

function refuseFractions(bytes: Uint8Array): void {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  const field = fractionalField.exec(text)?.[1];
  if (field !== undefined)
    throw invalid(
      `${field} must be written without a fraction and an exponent: Go clients refuse it otherwise`,
    );
}

/** A list of numbers or nulls has entries without keys. */
const entriesPerKeyMax = 2;

function refuseExcess(what: string, found: number, max: number, setting: string): void {
  if (found > max)
    throw invalid(`the manifest has ${found} ${what}, but at most ${max} are allowed (setting ${setting})`, {
      found,
      max,
    });
}

function listLength(value: unknown): number {
  return Array.isArray(value) ? value.length : 0;
}

/** Returns every object whose fields clients read, with its position and known fields. */
function* objectsRead(json: JsonObject): Generator<[where: string, object: JsonObject, known: Fields]> {
  yield ["the manifest", json, manifestFields];
  for (const field of ["config", "subject", "layers", "manifests"]) {
    const value = json[field];
    for (const descriptor of Array.isArray(value) ? value : [value]) {
      if (!isObject(descriptor)) continue;
      yield [`a descriptor in ${field}`, descriptor, descriptorFields];
      if (isObject(descriptor.platform)) yield ["a platform", descriptor.platform, platformFields];
    }
  }
}

/**
 * Parses a stored manifest, which was checked when it was pushed, perhaps by an earlier version with fewer rules. For a
 * manifest that clients interpret differently, it includes every content that any of them may read. Throws
 * `manifest-invalid` if it is damaged.
 */
export function parseStoredManifest(bytes: Uint8Array): Manifest {
  const { keys } = jsonShape(bytes);
  const json = parseJson(bytes);
  const manifest = readManifest(json, "");
  return isAmbiguous(json, keys) ? { ...manifest, named: digestsAnywhereIn(bytes) } : manifest;
}

/**
 * Yields the malformed media types of one object. Only for pushed manifests: earlier versions have stored other media types.
 * The registry does not restrict which types clients use, so an entry of an index may have any; but one with control
 * characters could corrupt the display of a tool.
 */
function* malformedMediaTypes(object: JsonObject, where: string): Generator<string> {
  for (const field of ["mediaType", "artifactType"]) {
    const value = object[field];
    // Go clients read an empty media type as an absent one; where one is required, another check reports that.
    if (typeof value !== "string" || value === "" || isWellFormedMediaType(value)) continue;
    yield `${where} has a malformed ${field}: ${JSON.stringify(value.slice(0, mediaTypeToldMax))}`;
  }
}

function refuseMalformed(what: string): never {
  throw invalid(
    `${what}; it must be a type and a subtype, such as application/vnd.example.v1+json (RFC 6838, section 4.2)`,
  );
}

function isAmbiguous(json: JsonObject, keys: number): boolean {
  if (countKeys(json) !== keys) return true;
  try {
    for (const [where, object, known] of objectsRead(json)) refuseOtherSpellings(object, known, where);
    return false;
  } catch (error) {
    if (error instanceof RegistryError) return true;
    throw error;
  }
}

/** Text that may be a digest: JSON never escapes its characters on its own. */
const digestLike = /[a-z0-9]+:[0-9a-f]{64,128}/g;

function digestsAnywhereIn(bytes: Uint8Array): Digest[] {
  const texts = Buffer.from(bytes).toString("latin1").match(digestLike) ?? [];
  return [...new Set(texts)].filter(isDigest);
}

function readManifest(json: JsonObject, contentType: string): Manifest {
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
  const config = parseDescriptor(json.config, "config", "may have no media type");
  const layers = descriptors(json, "layers");
  return {
    ...common,
    blobs: [config, ...layers.filter((layer) => !isNonDistributable(layer.mediaType))],
    children: [],
    named: digestsOf([config, ...layers]),
    artifactType: artifactType || config.mediaType || undefined,
  };
}

function digestsOf(descriptors: readonly Descriptor[]): Digest[] {
  return descriptors.map(({ digest }) => digest);
}

function invalid(message: string, detail?: unknown): RegistryError {
  return new RegistryError("manifest-invalid", message, detail);
}

function parseJson(bytes: Uint8Array): JsonObject {
  let json: unknown;
  try {
    if (!isUtf8(bytes)) throw new SyntaxError("bytes that are no UTF-8");
    json = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
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

/** Maximum characters of an invalid media type in an error: it may be as long as a manifest. */
const mediaTypeToldMax = 100;

/** If a manifest includes `mediaType`, clients MUST set `Content-Type` to its value ("Pushing Manifests"). */
function mediaTypeOf(json: JsonObject, contentType: string): ManifestMediaType {
  const declared = optionalString(json, "mediaType");
  if (declared !== undefined && contentType !== "" && declared !== contentType) {
    throw invalid("mediaType and Content-Type disagree", {
      mediaType: declared.slice(0, mediaTypeToldMax),
      contentType: contentType.slice(0, mediaTypeToldMax),
    });
  }
  if (declared === undefined && contentType !== "" && !isOci(contentType)) {
    throw invalid(`a manifest of type ${contentType.slice(0, mediaTypeToldMax)} must have that mediaType`);
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

/** A document that is valid as both kinds would mean different things to different clients (CVE-2021-41190). */
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
