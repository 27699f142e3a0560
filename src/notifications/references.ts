/** The descriptors in a manifest, for events: an image's config and layers, or an index's manifests. */

import { isObject, type JsonObject } from "../domain/descriptor.js";
import { jsonShape } from "../lib/json-scan.js";

/** A descriptor's fields (image-spec, descriptor.md) except embedded data, which may be as long as the manifest. */
const fields = ["mediaType", "digest", "size", "urls", "annotations", "platform", "artifactType"];

/** Maximum keys of a manifest to parse for an event: parsing takes some milliseconds, which delays other clients. */
const keysMax = 10_000;

/** Parses the bytes of a stored manifest, which were checked on push. Returns none if the manifest has too many keys. */
export function referencesOf(bytes: Uint8Array): readonly JsonObject[] {
  if (jsonShape(bytes).keys > keysMax) return [];
  const { config, layers, manifests } = JSON.parse(Buffer.from(bytes).toString()) as JsonObject;
  return (Array.isArray(manifests) ? manifests : [config, ...(Array.isArray(layers) ? layers : [])])
    .filter(isObject)
    .map((descriptor) => Object.fromEntries(fields.map((field) => [field, descriptor[field]])));
}
