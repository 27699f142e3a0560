/**
 * A manifest as it goes between threads. Ten thousand descriptors take 9 ms to copy as objects and strings, which the main
 * thread spends; as one text and two arrays of numbers they take less than one.
 */
import type { Descriptor } from "../../domain/descriptor.js";
import type { Digest } from "../../domain/digest.js";
import type { Manifest } from "../../domain/manifest.js";

interface PackedDescriptors {
  /** The digests, with a space between them. */
  readonly digests: string;
  readonly sizes: Float64Array;
  /** The different media types, and for each descriptor the place of its own. */
  readonly mediaTypes: readonly string[];
  readonly mediaTypePlaces: Uint32Array;
}

export interface PackedManifest extends Omit<Manifest, "blobs" | "children" | "named"> {
  readonly blobs: PackedDescriptors;
  readonly children: PackedDescriptors;
  /** The digests, with a space between them. */
  readonly named: string;
}

export function packManifest({ blobs, children, named, ...rest }: Manifest): PackedManifest {
  return {
    ...rest,
    blobs: packDescriptors(blobs),
    children: packDescriptors(children),
    named: named.join(" "),
  };
}

export function unpackManifest({ blobs, children, named, ...rest }: PackedManifest): Manifest {
  return {
    ...rest,
    blobs: unpackDescriptors(blobs),
    children: unpackDescriptors(children),
    named: unpackDigests(named),
  };
}

function packDescriptors(descriptors: readonly Descriptor[]): PackedDescriptors {
  const places = new Map<string, number>();
  const mediaTypePlaces = Uint32Array.from(descriptors, ({ mediaType }) => {
    const place = places.get(mediaType) ?? places.size;
    places.set(mediaType, place);
    return place;
  });
  return {
    digests: descriptors.map(({ digest }) => digest).join(" "),
    sizes: Float64Array.from(descriptors, ({ size }) => size),
    mediaTypes: [...places.keys()],
    mediaTypePlaces,
  };
}

function unpackDescriptors({ digests, sizes, mediaTypes, mediaTypePlaces }: PackedDescriptors): Descriptor[] {
  return unpackDigests(digests).map((digest, place) => ({
    mediaType: mediaTypes[mediaTypePlaces[place] ?? 0] ?? "",
    digest,
    size: sizes[place] ?? 0,
  }));
}

/** They were parsed on the other side. */
function unpackDigests(digests: string): Digest[] {
  return digests === "" ? [] : (digests.split(" ") as Digest[]);
}
