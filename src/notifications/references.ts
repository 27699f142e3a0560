/** What a manifest names, as events tell it: an image's config and layers, an index' manifests. */

import { isObject, type JsonObject } from "../domain/descriptor.js";
import { jsonShape } from "../lib/json-scan.js";

/** A descriptor's fields (image-spec, descriptor.md), but for embedded data: that may be as long as the manifest. */
const fields = ["mediaType", "digest", "size", "urls", "annotations", "platform", "artifactType"];

/** Keys of a manifest that is read for an event: some milliseconds' work, which other clients wait for. */
const keysMax = 10_000;

/** `bytes` are a stored manifest's, which were checked when they were pushed. Nothing of one that takes long to read. */
export function referencesOf(bytes: Uint8Array): readonly JsonObject[] {
  if (jsonShape(bytes).keys > keysMax) return [];
  const { config, layers, manifests } = JSON.parse(Buffer.from(bytes).toString()) as JsonObject;
  return (Array.isArray(manifests) ? manifests : [config, ...(Array.isArray(layers) ? layers : [])])
    .filter(isObject)
    .map((descriptor) => Object.fromEntries(fields.map((field) => [field, descriptor[field]])));
}
