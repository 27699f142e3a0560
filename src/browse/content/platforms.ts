/** The images of an index, each with its size and the attestations that BuildKit puts beside it. */
import { type Digest, isDigest } from "../../domain/digest.js";
import { type DescriptorDetails, type ManifestDetails, platformText } from "../../domain/manifest-details.js";
import { isManifestMediaType } from "../../domain/media-type.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Deadline } from "../../lib/deadline.js";
import type { Answer } from "./content-protocol.js";
import type { DescribeParts } from "./describe-parts.js";

export interface PlatformImage {
  readonly descriptor: DescriptorDetails;
  /** Bytes that a client pulls for this image; `missing` if the repository does not have it, `undefined` if not known yet. */
  readonly bytes: number | "missing" | undefined;
  /** Attestations of this image in the same index. */
  readonly attestations: readonly DescriptorDetails[];
}

export interface PlatformPage {
  readonly images: readonly PlatformImage[];
  /** The number of the first image, from 0 on. */
  readonly from: number;
  /** Images of the index, without attestations. */
  readonly total: number;
  /** Bytes of all images, with what several share counted once; `undefined` if not known, or if there are too many. */
  readonly bytes: number | undefined;
  readonly complete: boolean;
}

/** Images whose manifests are read for a page. */
const platformsAtOnce = 40;

/** The annotations by which BuildKit marks an attestation, and names its image. */
const referenceType = "vnd.docker.reference.type";
const referenceDigest = "vnd.docker.reference.digest";

export async function platformsOf(
  { reader }: DescribeParts,
  name: RepositoryName,
  { entries }: ManifestDetails,
  from: number,
  deadline: Deadline,
): Promise<PlatformPage> {
  const { images, attestations } = apart(
    entries.items.filter(({ mediaType }) => isManifestMediaType(mediaType)),
  );
  const first = Math.min(from, Math.max(0, images.length - 1));
  const found = await Promise.all(
    images.slice(first, first + platformsAtOnce).map(async (descriptor) => {
      const { digest } = descriptor;
      const answer = await reader.read("manifest", { name, digest, kind: "manifest" }, deadline);
      return { descriptor, answer };
    }),
  );
  return {
    images: found.map(({ descriptor, answer }) => ({
      descriptor,
      bytes: bytesOf(answer, descriptor),
      attestations: attestations.get(descriptor.digest) ?? [],
    })),
    from: first,
    // Entries that were not kept are most likely images.
    total: images.length + entries.total - entries.items.length,
    bytes: found.length === images.length ? bytesOfAll(found) : undefined,
    complete: found.every(({ answer }) => answer !== undefined),
  };
}

interface FoundImage {
  readonly descriptor: DescriptorDetails;
  readonly answer: Answer<ManifestDetails> | undefined;
}

function bytesOfAll(images: readonly FoundImage[]): number | undefined {
  const sizes = new Map<Digest, number>();
  for (const { descriptor, answer } of images) {
    if (answer === undefined || "problem" in answer) return undefined;
    const { config, entries } = answer.value;
    if (entries.items.length < entries.total) return undefined;
    for (const { digest, size } of [descriptor, ...(config ? [config] : []), ...entries.items])
      sizes.set(digest, size);
  }
  let bytes = 0;
  for (const size of sizes.values()) bytes += size;
  return bytes;
}

function bytesOf(
  found: Answer<ManifestDetails> | undefined,
  { size }: DescriptorDetails,
): PlatformImage["bytes"] {
  if (found === undefined) return undefined;
  if ("problem" in found) return "missing";
  return found.value.contentBytes + size;
}

/** Returns the image for a platform such as `linux/arm64`, with or without its variant. */
export function imageForPlatform({ entries }: ManifestDetails, wanted: string): Digest | undefined {
  const { images } = apart(entries.items);
  const texts = images.map(({ digest, platform }) => ({ digest, text: platform && platformText(platform) }));
  const exact = texts.find(({ text }) => text === wanted);
  return (exact ?? texts.find(({ text }) => text?.startsWith(`${wanted}/`)))?.digest;
}

/** Divides the entries of an index into images and, by the image that each is about, attestations. */
function apart(entries: readonly DescriptorDetails[]): {
  readonly images: readonly DescriptorDetails[];
  readonly attestations: ReadonlyMap<Digest, readonly DescriptorDetails[]>;
} {
  const images: DescriptorDetails[] = [];
  const known = new Set(entries.map(({ digest }) => digest));
  const attestations = new Map<Digest, DescriptorDetails[]>();
  for (const entry of entries) {
    const subject = attestedBy(entry);
    if (subject === undefined || !known.has(subject)) {
      images.push(entry);
      continue;
    }
    const own = attestations.get(subject);
    if (own === undefined) attestations.set(subject, [entry]);
    else own.push(entry);
  }
  return { images, attestations };
}

/** Returns the image that an entry with BuildKit's attestations is about; `undefined` for any other entry. */
export function attestedBy({ annotations }: DescriptorDetails): Digest | undefined {
  const named = new Map(annotations.items);
  const subject = named.get(referenceDigest);
  return named.has(referenceType) && subject !== undefined && isDigest(subject) ? subject : undefined;
}
