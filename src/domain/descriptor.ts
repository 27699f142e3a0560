/** Content descriptors (image-spec, descriptor.md), parsed from JSON values. */
import { type Digest, parseDigest } from "./digest.js";
import { RegistryError } from "./errors.js";

export type Annotations = Readonly<Record<string, string>>;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Size of the content in bytes. */
  readonly size: number;
  /** The content itself, if the client embedded it. */
  readonly data?: Buffer;
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(where: string, what: string): RegistryError {
  return new RegistryError("manifest-invalid", `${where} ${what}`, { field: where });
}

/**
 * Parses the descriptor in `value`; `where` names the field in errors. Its embedded data may differ from the content that it
 * describes: see `mismatches`. Throws `manifest-invalid`.
 */
export function parseDescriptor(
  value: unknown,
  where: string,
  mediaTypeRule: "must have a media type" | "may have no media type" = "must have a media type",
): Descriptor {
  if (!isObject(value)) throw invalid(where, "is not a descriptor");
  const { mediaType = "", digest, size, data } = value;
  if (typeof mediaType !== "string" || (mediaType === "" && mediaTypeRule === "must have a media type"))
    throw invalid(`${where}.mediaType`, "is missing");
  if (typeof digest !== "string") throw invalid(`${where}.digest`, "is missing");
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`${where}.size`, "is not a whole number of bytes");
  }
  const descriptor = { mediaType, digest: parseDescriptorDigest(digest, where), size };
  return data === undefined || data === null ? descriptor : { ...descriptor, data: parseData(data, where) };
}

function parseDescriptorDigest(text: string, where: string): Digest {
  try {
    return parseDigest(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RegistryError("manifest-invalid", `${where}.digest: ${why}`, { digest: text.slice(0, 256) });
  }
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function parseData(data: unknown, where: string): Buffer {
  if (typeof data !== "string" || !base64.test(data)) throw invalid(`${where}.data`, "is not base64");
  return Buffer.from(data, "base64");
}

/** Parses annotations, or returns `undefined` if there are none. Throws `manifest-invalid`. */
export function parseAnnotations(value: unknown): Annotations | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value) || !Object.values(value).every((text) => typeof text === "string")) {
    throw invalid("annotations", "is not a map of strings");
  }
  return value as Annotations;
}
