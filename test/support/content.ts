// Blobs, images and indexes for tests, each new and distinct, so that no test sees another's content.

import { createHash, randomBytes, randomUUID } from "node:crypto";
import { createBLAKE3 } from "hash-wasm";

export const types = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
} as const;

export type HashAlgorithm = "sha256" | "sha512" | "blake3";

const blake3 = await createBLAKE3();

export function digestOf(bytes: Uint8Array | string, algorithm: HashAlgorithm = "sha256"): string {
  const hex =
    algorithm === "blake3"
      ? blake3.init().update(bytes).digest("hex")
      : createHash(algorithm).update(bytes).digest("hex");
  return `${algorithm}:${hex}`;
}

export interface Blob {
  readonly bytes: Buffer;
  readonly digest: string;
}

/** A new blob. */
export function blobOf(bytes: number | string, algorithm: HashAlgorithm = "sha256"): Blob {
  const content = typeof bytes === "number" ? randomBytes(bytes) : Buffer.from(bytes);
  return { bytes: content, digest: digestOf(content, algorithm) };
}

export interface ContentDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export function descriptorOf(blob: Blob, mediaType: string): ContentDescriptor {
  return { mediaType, digest: blob.digest, size: blob.bytes.length };
}

/** A manifest as pushed, and the blobs that must exist before. */
export interface Image extends Blob {
  readonly mediaType: string;
  readonly blobs: readonly Blob[];
}

/** A descriptor of the manifest itself, to name it in an index or as a subject. */
export function describe(image: Image): ContentDescriptor {
  return descriptorOf(image, image.mediaType);
}

/** Fields that replace those of a manifest; `undefined` omits one. */
export type Fields = Readonly<Record<string, unknown>>;

/** An OCI image with this many new layers, or with the layers of these descriptors. */
export function image({
  layers = 1,
  ...fields
}: { layers?: number | readonly ContentDescriptor[] } & Fields = {}): Image {
  const config = blobOf(JSON.stringify({ architecture: "amd64", os: "linux", id: randomUUID() }));
  const contents = Array.from({ length: typeof layers === "number" ? layers : 0 }, () => blobOf(100));
  return imageOf(config, contents, { ...(typeof layers !== "number" && { layers }), ...fields });
}

/** An OCI image of these blobs. */
export function imageOf(config: Blob, layers: readonly Blob[], fields: Fields = {}): Image {
  return manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(config, types.config),
      layers: layers.map((layer) => descriptorOf(layer, types.layer)),
      ...fields,
    },
    [config, ...layers],
  );
}

/** Docker's image manifest version 2, schema 2. */
export function dockerImage(): Image {
  const config = blobOf(JSON.stringify({ id: randomUUID() }));
  const layer = blobOf(100);
  return manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.dockerManifest,
      config: descriptorOf(config, types.dockerConfig),
      layers: [descriptorOf(layer, types.dockerLayer)],
    },
    [config, layer],
  );
}

/** An OCI index of these images; they are not among its blobs. */
export function index(images: readonly Image[], fields: Fields = {}): Image {
  return manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.index,
      manifests: images.map(describe),
      annotations: { id: randomUUID() },
      ...fields,
    },
    [],
  );
}

/** Any JSON as a manifest, with its own media type or that of an OCI image. */
export function manifestOf(json: Fields, blobs: readonly Blob[] = []): Image {
  const bytes = Buffer.from(JSON.stringify(json, null, 1));
  const mediaType = typeof json.mediaType === "string" ? json.mediaType : types.manifest;
  return { bytes, digest: digestOf(bytes), mediaType, blobs };
}

/** A repository of a test's own. */
export function newName(prefix = "repo"): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}
