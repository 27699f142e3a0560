/** Stored entries of the referrers API. This is the only place that parses them. */
import { isObject, parseAnnotations, parseDescriptor } from "../domain/descriptor.js";
import { RegistryError } from "../domain/errors.js";
import { listedAnnotationsMax } from "../domain/manifest.js";
import type { Referrer } from "./storage.js";

/** `add` writes less; only entries from before annotations were bounded are larger. */
const entryBytesMax = 2 * listedAnnotationsMax;

/**
 * Returns the entry's text, without annotations if they are too large: they come last, and parsing them would take too long.
 */
function entryText(bytes: Buffer): string {
  if (bytes.length <= entryBytesMax) return bytes.toString();
  const end = bytes.indexOf(',"annotations":');
  return end === -1 ? "" : `${bytes.toString("utf8", 0, end)}}`;
}

/** Returns `undefined` for an entry damaged by manual edits, which must not hide the others. */
export function parseReferrer(bytes: Buffer): Referrer | undefined {
  try {
    const json: unknown = JSON.parse(entryText(bytes));
    const { mediaType, digest, size } = parseDescriptor(json, "referrer");
    const { artifactType, annotations } = isObject(json) ? json : {};
    const parsed = parseAnnotations(annotations);
    return {
      mediaType,
      digest,
      size,
      ...(typeof artifactType === "string" && { artifactType }),
      ...(parsed && { annotations: parsed }),
    };
  } catch (error) {
    if (error instanceof RegistryError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
