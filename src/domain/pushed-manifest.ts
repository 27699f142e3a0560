/** Everything that the bytes of a pushed manifest say by themselves: its content, its digest and what does not fit. */
import type { Descriptor } from "./descriptor.js";
import { type Algorithm, algorithmOf, type Digest } from "./digest.js";
import { RegistryError } from "./errors.js";
import { digestBytes } from "./hash.js";
import { type Manifest, type ManifestBounds, parseManifest } from "./manifest.js";

export interface PushedBytes {
  readonly bytes: Uint8Array;
  /** Without parameters; `""` where the request had none. */
  readonly contentType: string;
  /** To compute the digest with. */
  readonly algorithm: Algorithm;
  readonly bounds: ManifestBounds;
}

export interface PushedManifest {
  /** Without embedded data. */
  readonly manifest: Manifest;
  readonly digest: Digest;
  /** Descriptors whose embedded data is not what they describe. */
  readonly mismatches: readonly Mismatch[];
}

/** A descriptor that does not fit its content (image-spec, descriptor.md, «Properties»). */
export interface Mismatch {
  readonly what: string;
  readonly digest: Digest;
  readonly size: number;
}

/** Rejects with `manifest-invalid`. */
export async function readPushed(pushed: PushedBytes): Promise<PushedManifest> {
  const { bytes, contentType, algorithm, bounds } = pushed;
  const manifest = parseManifest(bytes, contentType, bounds);
  const { blobs, children, subject } = manifest;
  const mismatches: Mismatch[] = [];
  for (const descriptor of [...blobs, ...children, ...(subject === undefined ? [] : [subject])]) {
    const mismatch = await embeddedMismatch(descriptor);
    if (mismatch !== undefined) mismatches.push(mismatch);
  }
  return { manifest: withoutData(manifest), digest: await digestBytes(algorithm, bytes), mismatches };
}

async function embeddedMismatch({ data, digest, size }: Descriptor): Promise<Mismatch | undefined> {
  if (data === undefined) return undefined;
  if (data.length !== size)
    return { what: "embedded data does not have its descriptor's size", digest, size };
  if ((await digestBytes(algorithmOf(digest), data)) === digest) return undefined;
  return { what: "embedded data does not have its descriptor's digest", digest, size };
}

/** The data is checked now and read by nobody here: kept, it would cost its size again. */
function withoutData(manifest: Manifest): Manifest {
  const strip = ({ mediaType, digest, size }: Descriptor) => ({ mediaType, digest, size });
  const { blobs, children, subject } = manifest;
  return {
    ...manifest,
    blobs: blobs.map(strip),
    children: children.map(strip),
    subject: subject && strip(subject),
  };
}

/** The error by which a push with such a descriptor is refused. */
export function mismatchError({ what, digest, size }: Mismatch): RegistryError {
  return new RegistryError(
    "manifest-invalid",
    `${what}; the setting validation.manifests.sizes decides whether that is refused`,
    { digest, size },
  );
}
