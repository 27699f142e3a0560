/** The result of parsing a pushed manifest: its content, its digest and its mismatches. */
import type { Descriptor } from "./descriptor.js";
import { type Algorithm, algorithmOf, type Digest } from "./digest.js";
import { RegistryError } from "./errors.js";
import { digestBytes } from "./hash.js";
import { listed, type Manifest, type ManifestBounds, parseManifest } from "./manifest.js";

export interface PushedBytes {
  readonly bytes: Uint8Array;
  /** Without parameters; `""` if the request had none. */
  readonly contentType: string;
  /** The algorithm of the digest. */
  readonly algorithm: Algorithm;
  readonly bounds: ManifestBounds;
  /** Whether malformed media types are mismatches, and not errors: an import keeps what the source serves. */
  readonly keepsMediaTypes?: boolean;
}

export interface PushedManifest {
  /** Without embedded data, and with each descriptor once. */
  readonly manifest: Manifest;
  readonly digest: Digest;
  /** Descriptors whose embedded data does not match them, and malformed media types that are kept. */
  readonly mismatches: readonly Mismatch[];
}

/** A descriptor that does not match its content, or has a malformed media type (image-spec, descriptor.md, "Properties"). */
export interface Mismatch {
  readonly what: string;
  readonly digest: Digest;
  readonly size: number;
}

/** Rejects with `manifest-invalid`. */
export async function readPushed(pushed: PushedBytes): Promise<PushedManifest> {
  const { bytes, contentType, algorithm, bounds, keepsMediaTypes } = pushed;
  const malformed: string[] = [];
  const onMalformed = (what: string) => void malformed.push(what);
  const manifest = parseManifest(bytes, contentType, bounds, keepsMediaTypes ? onMalformed : undefined);
  const digest = await digestBytes(algorithm, bytes);
  const { blobs, children, subject } = manifest;
  const mismatches: Mismatch[] = malformed.map((what) => ({ what, digest, size: bytes.length }));
  for (const descriptor of [...blobs, ...children, ...(subject === undefined ? [] : [subject])]) {
    const mismatch = await embeddedMismatch(descriptor);
    if (mismatch !== undefined) mismatches.push(mismatch);
  }
  return { manifest: compact(manifest), digest, mismatches };
}

async function embeddedMismatch({ data, digest, size }: Descriptor): Promise<Mismatch | undefined> {
  if (data === undefined) return undefined;
  if (data.length !== size)
    return { what: "embedded data does not have its descriptor's size", digest, size };
  if ((await digestBytes(algorithmOf(digest), data)) === digest) return undefined;
  return { what: "embedded data does not have its descriptor's digest", digest, size };
}

/**
 * Returns the manifest without embedded data, which has been checked and is not read again, and with each descriptor once:
 * an image may name the same empty layer thousands of times.
 */
function compact(manifest: Manifest): Manifest {
  const { blobs, children, named, subject } = manifest;
  return {
    ...listed(manifest),
    blobs: distinct(blobs),
    children: distinct(children),
    named: [...new Set(named)],
    subject: subject && stripped(subject),
  };
}

function stripped({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

function distinct(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  const different = new Map<string, Descriptor>();
  for (const descriptor of descriptors) {
    const { mediaType, digest, size } = descriptor;
    different.set(`${digest} ${size} ${mediaType}`, stripped(descriptor));
  }
  return [...different.values()];
}

/** Returns the error that refuses a push with such a descriptor. */
export function mismatchError({ what, digest, size }: Mismatch): RegistryError {
  return new RegistryError(
    "manifest-invalid",
    `${what}; the setting validation.manifests.sizes decides whether that is refused`,
    { digest, size },
  );
}
