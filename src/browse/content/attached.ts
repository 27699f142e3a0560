/**
 * What is attached to an image: its referrers, and what cosign stores under tags that contain the image's digest. Gantry verifies
 * none of it.
 */
import {
  type ArtifactKind,
  artifactKindOf,
  imageConfigs,
  kindOfManifest,
  predicateTypeIn,
} from "../../domain/artifact-kind.js";
import { cosignTagsOf } from "../../domain/attachment-tag.js";
import type { Digest } from "../../domain/digest.js";
import type { ManifestDetails } from "../../domain/manifest-details.js";
import { isManifestMediaType, kindOf } from "../../domain/media-type.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Deadline } from "../../lib/deadline.js";
import { resolveTag } from "../../registry/pull-manifest.js";
import type { Referrer } from "../../storage/storage.js";
import type { DescribeParts } from "./describe-parts.js";

export interface AttachedArtifact {
  readonly digest: Digest;
  /** `undefined` as long as the manifest is unread and its entry among the referrers does not say more than "artifact". */
  readonly kind: ArtifactKind | undefined;
  readonly artifactType: string | undefined;
  /** What an attestation states, if its annotations name it. */
  readonly predicateTypes: readonly string[];
  /** Bytes of the manifest and all that it names; `undefined` if not known. */
  readonly bytes: number | undefined;
  readonly created: string | undefined;
}

export interface Attached {
  readonly artifacts: readonly AttachedArtifact[];
  /** Further referrers come after this digest. */
  readonly next: Digest | undefined;
  readonly complete: boolean;
}

const referrersAtOnce = 10;

/** Entries of manifests that are gone, which a page skips. */
const entriesReadMax = 100;

export async function attachedTo(
  parts: DescribeParts,
  name: RepositoryName,
  subject: Digest,
  after: Digest | undefined,
  deadline: Deadline,
): Promise<Attached | undefined> {
  const list = () =>
    Promise.all([
      referrersOf(parts, name, subject, after),
      after === undefined ? cosignTagged(parts, name, subject) : [],
    ]);
  const listed = await parts.reader.late.within(`attached ${name}@${subject} ${after}`, deadline, list);
  if (listed === undefined) return undefined;
  const [{ found, next }, tagged] = listed;
  const all: Candidate[] = [
    ...tagged.map((digest) => ({ digest })),
    ...found.map((referrer) => ({ digest: referrer.digest, referrer })),
  ];
  const artifacts = await Promise.all(all.map((one) => describe(parts, name, one, deadline)));
  return {
    artifacts: artifacts.map(({ artifact }) => artifact),
    next,
    complete: artifacts.every(({ isKnown }) => isKnown),
  };
}

interface Candidate {
  readonly digest: Digest;
  /** Absent for what cosign stores under a tag. */
  readonly referrer?: Referrer;
}

async function referrersOf(
  { services: { storage, caches } }: DescribeParts,
  name: RepositoryName,
  subject: Digest,
  after: Digest | undefined,
): Promise<{ readonly found: readonly Referrer[]; readonly next: Digest | undefined }> {
  const found: Referrer[] = [];
  let entriesRead = 0;
  let last: Digest | undefined;
  for await (const referrer of storage.referrers.list(name, subject, after)) {
    if (found.length >= referrersAtOnce || entriesRead++ >= entriesReadMax) return { found, next: last };
    last = referrer.digest;
    // A crash may have left the entry of a manifest that is gone.
    const isKnown = caches.manifests.get(`${name}@${referrer.digest}`) !== undefined;
    if (isKnown || (await storage.manifests.size(name, referrer.digest)) !== undefined) found.push(referrer);
  }
  return { found, next: undefined };
}

/** Tags of cosign before version 3: `sha256-<hex>.sig`. */
async function cosignTagged(
  { services }: DescribeParts,
  name: RepositoryName,
  subject: Digest,
): Promise<readonly Digest[]> {
  const found = await Promise.all(
    Object.values(cosignTagsOf(subject)).map((tag) => resolveTag(services, name, tag)),
  );
  return found.filter((one) => one !== undefined);
}

async function describe(
  { reader }: DescribeParts,
  name: RepositoryName,
  { digest, referrer }: Candidate,
  deadline: Deadline,
): Promise<{ readonly artifact: AttachedArtifact; readonly isKnown: boolean }> {
  const found = await reader.read("manifest", { name, digest, kind: "manifest" }, deadline);
  const details = found && "value" in found ? found.value : undefined;
  const isKnown = found !== undefined;
  const annotations = new Map(details?.annotations.items ?? Object.entries(referrer?.annotations ?? {}));
  return {
    isKnown,
    artifact: {
      digest,
      kind: details === undefined ? kindOfReferrer(referrer, annotations, isKnown) : kindOfManifest(details),
      artifactType: details?.artifactType ?? referrer?.artifactType ?? (details && typeIn(details)),
      predicateTypes: predicateTypesOf(annotations, details),
      bytes: details?.contentBytes,
      created: annotations.get("org.opencontainers.image.created"),
    },
  };
}

/** For manifests without an artifact type. An artifact of cosign 2 has the config of an image, and its type in the layer. */
function typeIn(details: ManifestDetails): string | undefined {
  const { config, entries } = details;
  if (config === undefined || !imageConfigs.has(config.mediaType) || kindOfManifest(details) === "image")
    return config?.mediaType;
  return entries.items[0]?.mediaType;
}

function kindOfReferrer(
  referrer: Referrer | undefined,
  annotations: ReadonlyMap<string, string>,
  isKnown: boolean,
): ArtifactKind | undefined {
  const unsure = isKnown ? "artifact" : undefined;
  if (referrer === undefined) return unsure;
  const { mediaType, artifactType } = referrer;
  const kind = artifactKindOf({
    kind: isManifestMediaType(mediaType) ? kindOf(mediaType) : "image",
    artifactType,
    annotations,
  });
  return kind === "artifact" ? unsure : kind;
}

const predicatesMax = 4;

/** Returns the distinct predicate types that the annotations of the manifest and of its layers name. */
function predicateTypesOf(
  annotations: ReadonlyMap<string, string>,
  details: ManifestDetails | undefined,
): string[] {
  const all = [
    annotations,
    ...(details?.entries.items ?? []).map((layer) => new Map(layer.annotations.items)),
  ];
  const types = all.map(predicateTypeIn).filter((type) => type !== undefined);
  return [...new Set(types)].slice(0, predicatesMax);
}
