/**
 * What people want to see of a stored manifest: descriptors with their annotations and platforms, which the registry's own
 * rules ignore. Lenient, because it is only shown: malformed parts are left out. Bounded, because it is kept in memory.
 */
import { isUtf8 } from "node:buffer";
import { jsonShape } from "../lib/json-scan.js";
import { type NamedText, type Some, TextRoom } from "./bounded.js";
import { isObject, type JsonObject } from "./descriptor.js";
import { type Digest, isDigest } from "./digest.js";
import { isManifestMediaType, kindOf, type ManifestKind, mediaTypes } from "./media-type.js";

export interface PlatformDetails {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | undefined;
  readonly osVersion: string | undefined;
}

export interface DescriptorDetails {
  readonly mediaType: string;
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
  readonly artifactType: string | undefined;
  readonly platform: PlatformDetails | undefined;
  readonly annotations: Some<NamedText>;
  /** Where else clients may get the content. */
  readonly urls: Some<string>;
}

export interface ManifestDetails {
  readonly kind: ManifestKind;
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  readonly config: DescriptorDetails | undefined;
  readonly subject: DescriptorDetails | undefined;
  /** The layers of a manifest, or the manifests of an index. */
  readonly entries: Some<DescriptorDetails>;
  /** Bytes of the config and all distinct layers: what a client pulls beside the manifest. */
  readonly contentBytes: number;
  readonly annotations: Some<NamedText>;
}

/** About a megabyte of memory with all that belongs to an entry. */
const entriesMax = 2_000;

const charactersMax = 256 * 1024;
const textMax = 4 * 1024;

/** Manifests that were stored before the rules of a push had such bounds. */
const depthMax = 64;
const jsonEntriesMax = 500_000;

/** Returns `undefined` for bytes that are no manifest. */
export function readManifestDetails(bytes: Uint8Array): ManifestDetails | undefined {
  const json = parseBounded(bytes, depthMax, jsonEntriesMax);
  if (!isObject(json)) return undefined;
  const kind = kindOfJson(json);
  const room = new TextRoom(charactersMax, textMax);
  const listed = kind === "index" ? json.manifests : json.layers;
  const list: unknown[] = Array.isArray(listed) ? listed : [];
  const config = descriptorDetails(json.config, room);
  return {
    kind,
    mediaType: typeof json.mediaType === "string" ? room.keep(json.mediaType) : mediaTypeOf(kind),
    artifactType: room.text(json.artifactType),
    config,
    subject: descriptorDetails(json.subject, room),
    annotations: room.namedTexts(json.annotations),
    contentBytes: kind === "index" ? 0 : distinctBytes([json.config, ...list]),
    entries: room.some(list, (entry) => descriptorDetails(entry, room), entriesMax),
  };
}

/** Parses JSON in UTF-8. Returns `undefined` for other bytes, and for a document that would cost too much. */
export function parseBounded(bytes: Uint8Array, depth: number, entries: number): unknown {
  if (!isUtf8(bytes)) return undefined;
  const shape = jsonShape(bytes);
  if (shape.depth > depth || shape.entries > entries) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
  } catch {
    return undefined;
  }
}

function kindOfJson({ mediaType, manifests }: JsonObject): ManifestKind {
  if (typeof mediaType === "string" && isManifestMediaType(mediaType)) return kindOf(mediaType);
  return Array.isArray(manifests) ? "index" : "image";
}

function mediaTypeOf(kind: ManifestKind): string {
  return kind === "index" ? mediaTypes.ociIndex : mediaTypes.ociManifest;
}

function descriptorDetails(value: unknown, room: TextRoom): DescriptorDetails | undefined {
  if (!isObject(value)) return undefined;
  const { digest } = value;
  if (typeof digest !== "string" || !isDigest(digest)) return undefined;
  return {
    mediaType: room.text(value.mediaType) ?? "",
    digest,
    size: sizeOf(value),
    artifactType: room.text(value.artifactType),
    platform: platformDetails(value.platform, room),
    annotations: room.namedTexts(value.annotations),
    urls: room.texts(value.urls),
  };
}

function sizeOf({ size }: JsonObject): number {
  return typeof size === "number" && Number.isSafeInteger(size) && size >= 0 ? size : 0;
}

function platformDetails(value: unknown, room: TextRoom): PlatformDetails | undefined {
  if (!isObject(value)) return undefined;
  return {
    os: room.text(value.os) ?? "unknown",
    architecture: room.text(value.architecture) ?? "unknown",
    variant: room.text(value.variant),
    osVersion: room.text(value["os.version"]),
  };
}

/** An image may have the same layer twice; clients pull it once. */
function distinctBytes(descriptors: readonly unknown[]): number {
  const sizes = new Map<unknown, number>();
  for (const descriptor of descriptors)
    if (isObject(descriptor)) sizes.set(descriptor.digest, sizeOf(descriptor));
  let bytes = 0;
  for (const size of sizes.values()) bytes += size;
  return bytes;
}

/** Returns the title in the annotations, such as the name of a file. */
export function titleIn({ items }: Some<NamedText>): string | undefined {
  return items.find(([name]) => name === "org.opencontainers.image.title")?.[1] || undefined;
}

/** Such as `linux/arm64/v8`. */
export function platformText({
  os,
  architecture,
  variant,
}: Pick<PlatformDetails, "os" | "architecture"> & { readonly variant?: string | undefined }): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join("/");
}
