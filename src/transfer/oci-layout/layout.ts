/**
 * The files of an OCI image layout (image-spec, image-layout.md): `oci-layout`, `index.json`, and
 * `blobs/<algorithm>/<encoded>`. Names are annotations of the index's entries.
 */
import { join } from "node:path";
import { isObject, parseAnnotations, parseDescriptor } from "../../domain/descriptor.js";
import { algorithmOf, type Digest, encodedOf } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { mediaTypes } from "../../domain/media-type.js";
import { readSmall } from "../files.js";
import type { NamedContent } from "../sink.js";
import { SourceError } from "../source.js";

export const layoutFile = "oci-layout";
export const indexFile = "index.json";
export const layoutVersion = "1.0.0";

/** An index of a million entries has about this many bytes. */
const indexBytesMax = 256 * 1024 * 1024;

export function blobFile(folder: string, digest: Digest): string {
  return join(folder, "blobs", algorithmOf(digest), encodedOf(digest));
}

/** Returns the entries of the layout's index, or `undefined` if there is no layout. Rejects if the layout is invalid. */
export async function readIndex(folder: string): Promise<NamedContent[] | undefined> {
  const layout = await readJson(join(folder, layoutFile));
  if (layout === undefined) return undefined;
  if (!isObject(layout) || layout.imageLayoutVersion !== layoutVersion)
    throw new SourceError(`${join(folder, layoutFile)} is not of version ${layoutVersion}`);
  const path = join(folder, indexFile);
  const index = await readJson(path);
  // Programs in Go write an empty list as null.
  const manifests = isObject(index) && index.manifests === null ? [] : isObject(index) && index.manifests;
  if (!Array.isArray(manifests)) throw new SourceError(`${path} is not an index`);
  try {
    return manifests.map((entry: unknown, place) => parseEntry(entry, `manifests[${place}]`));
  } catch (error) {
    throw error instanceof RegistryError ? new SourceError(`${path}: ${error.message}`) : error;
  }
}

function parseEntry(entry: unknown, where: string): NamedContent {
  const descriptor = parseDescriptor(entry, where);
  const annotations = isObject(entry) ? parseAnnotations(entry.annotations) : undefined;
  return annotations === undefined ? descriptor : { ...descriptor, annotations };
}

export function serializeIndex(manifests: readonly NamedContent[]): string {
  return `${JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests })}\n`;
}

async function readJson(path: string): Promise<unknown> {
  const bytes = await readSmall(path, indexBytesMax);
  try {
    return bytes && JSON.parse(bytes.toString());
  } catch (error) {
    throw new SourceError(`${path} is not JSON`, { cause: error });
  }
}
