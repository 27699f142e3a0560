/** What people want to know about a manifest at a glance, from its bytes. Lenient: whatever is not as expected is left out. */
import { type ArtifactKind, artifactKindOf, bundleAnnotations } from "./artifact-kind.js";
import { type Descriptor, isObject, type JsonObject } from "./descriptor.js";
import { type Digest, isDigest } from "./digest.js";
import { isManifestMediaType, kindOf, type ManifestKind } from "./media-type.js";

/** As in an entry of an index or in an image's config (image-spec, image-index.md, "Platform"). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  /** Of Windows. */
  readonly osVersion?: string;
}

export interface ChildManifest {
  readonly digest: Digest;
  /** Bytes of the manifest itself. */
  readonly size: number;
  /** Absent for an entry that is not for a platform. */
  readonly platform?: Platform;
  /** Whether it has BuildKit's attestations about another entry. */
  readonly isAttestation: boolean;
}

export interface ManifestFacts {
  /** What the manifest is used for. */
  readonly content: ArtifactKind;
  readonly config: Pick<Descriptor, "mediaType" | "digest" | "size"> | undefined;
  /** Sizes of the config and the distinct layers, as they are transferred; of a manifest with very many, of the first. */
  readonly contents: ReadonlyMap<Digest, number>;
  /** Sum of the sizes of the layers that `contents` leaves out. */
  readonly otherBytes: number;
  /** The first entries of an index. */
  readonly children: readonly ChildManifest[];
  /** All entries of an index. */
  readonly childCount: number;
}

/** Entries of an index whose facts are of interest: no image has as many platforms. */
const childrenMax = 64;

/** Contents of a manifest that are kept in memory: no image has as many layers. */
const contentsMax = 256;

/** Texts are shown, and kept in memory. */
const textCharactersMax = 128;

/** Returns `undefined` if the bytes are no manifest. */
export function manifestFacts(bytes: Uint8Array): ManifestFacts | undefined {
  const json = parsed(bytes);
  if (json === undefined) return undefined;
  const isIndex = Array.isArray(json.manifests);
  const declared = typeof json.mediaType === "string" ? json.mediaType : "";
  const byShape = `application/vnd.oci.image.${isIndex ? "index" : "manifest"}.v1+json` as const;
  const mediaType = isManifestMediaType(declared) ? declared : byShape;
  const kind = kindOf(mediaType);
  const config = descriptorOf(json.config);
  const layers = listOf(json.layers);
  const entries = listOf(json.manifests);
  return {
    content: contentOf(json, kind, kind === "index" ? entries : layers),
    config,
    ...contentsOf([json.config, ...layers]),
    children: entries.slice(0, childrenMax).flatMap((entry) => childOf(entry) ?? []),
    childCount: entries.length,
  };
}

/** Returns the platform in an image's config (image-spec, config.md, "Properties"). */
export function platformInConfig(bytes: Uint8Array): Platform | undefined {
  return platformOf(parsed(bytes) ?? {});
}

function parsed(bytes: Uint8Array): JsonObject | undefined {
  try {
    const json: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the kind of artifact. A few entries suffice, and an index has thousands. */
function contentOf(json: JsonObject, kind: ManifestKind, entries: readonly unknown[]): ArtifactKind {
  return artifactKindOf({
    kind,
    artifactType: text(json.artifactType),
    configMediaType: descriptorOf(json.config)?.mediaType,
    entryMediaTypes: entries.slice(0, childrenMax).map((entry) => descriptorOf(entry)?.mediaType ?? ""),
    annotations: new Map(
      bundleAnnotations.flatMap((name) => {
        const value = text(annotationOf(json, name));
        return value === undefined ? [] : [[name, value]];
      }),
    ),
  });
}

function childOf(entry: unknown): ChildManifest | undefined {
  const descriptor = descriptorOf(entry);
  if (descriptor === undefined || !isObject(entry)) return undefined;
  const platform = isObject(entry.platform) ? platformOf(entry.platform) : undefined;
  const isAttestation = annotationOf(entry, "vnd.docker.reference.type") === "attestation-manifest";
  const isForPlatform = platform !== undefined && platform.os !== "unknown" && !isAttestation;
  return {
    digest: descriptor.digest,
    size: descriptor.size,
    ...(isForPlatform && { platform }),
    isAttestation,
  };
}

function platformOf(json: JsonObject): Platform | undefined {
  const [os, architecture] = [text(json.os), text(json.architecture)];
  if (os === undefined || architecture === undefined) return undefined;
  const [variant, osVersion] = [text(json.variant), text(json["os.version"])];
  return {
    os,
    architecture,
    ...(variant !== undefined && { variant }),
    ...(osVersion !== undefined && { osVersion }),
  };
}

function contentsOf(values: readonly unknown[]): Pick<ManifestFacts, "contents" | "otherBytes"> {
  const sizes = new Map<Digest, number>();
  for (const value of values) {
    const descriptor = descriptorOf(value);
    if (descriptor !== undefined) sizes.set(descriptor.digest, descriptor.size);
  }
  const all = [...sizes];
  const otherBytes = all.slice(contentsMax).reduce((sum, [, size]) => sum + size, 0);
  return { contents: new Map(all.slice(0, contentsMax)), otherBytes };
}

function descriptorOf(value: unknown): ManifestFacts["config"] {
  if (!isObject(value)) return undefined;
  const { digest, size, mediaType } = value;
  if (typeof digest !== "string" || !isDigest(digest)) return undefined;
  const isSize = typeof size === "number" && Number.isSafeInteger(size) && size >= 0;
  return { digest, size: isSize ? size : 0, mediaType: text(mediaType) ?? "" };
}

function annotationOf({ annotations }: JsonObject, key: string): unknown {
  return isObject(annotations) && Object.hasOwn(annotations, key) ? annotations[key] : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value.slice(0, textCharactersMax) : undefined;
}
