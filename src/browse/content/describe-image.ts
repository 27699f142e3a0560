/** Describes an image or another artifact for its page, as far as it is known by a deadline. */
import type { PullPermit } from "../../auth/gate.js";
import { type ArtifactKind, kindOfManifest } from "../../domain/artifact-kind.js";
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { ImageConfig } from "../../domain/image-config.js";
import type { ManifestDetails } from "../../domain/manifest-details.js";
import { type Reference, referenceText, type Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Deadline } from "../../lib/deadline.js";
import { inParallel } from "../../lib/in-parallel.js";
import { resolveTag } from "../../registry/pull-manifest.js";
import { type Attached, attachedTo } from "./attached.js";
import type { Answer } from "./content-protocol.js";
import { type ArtifactContent, describeArtifact } from "./describe-artifact.js";
import type { DescribeParts } from "./describe-parts.js";
import { imageForPlatform, type PlatformPage, platformsOf } from "./platforms.js";

/** Fields are undefined until they are known. */
export interface ImageDescription {
  readonly name: RepositoryName;
  readonly digest: Digest;
  /** Absent if the image was asked for by digest. */
  readonly tag: Tag | undefined;
  readonly manifest: Answer<ManifestDetails> | undefined;
  readonly kind: ArtifactKind | undefined;
  /** Present for images. */
  readonly config: Answer<ImageConfig> | undefined;
  /** Present for other artifacts. */
  readonly artifact: ArtifactContent | undefined;
  /** Present for indexes. */
  readonly platforms: PlatformPage | undefined;
  readonly attached: Attached | undefined;
  /** Layers that the repository does not have, among those from `from` on: a mirrored image is fetched as it is pulled. */
  readonly absent: ReadonlySet<Digest>;
  /** When the manifest was first pushed, in milliseconds since the epoch. */
  readonly pushedAt: number | undefined;
  /** When the tag was last pushed and pulled; absent without a tag. */
  readonly tagTimes: TagTimes | undefined;
  /** The index by which the visitor came, if it contains this manifest. */
  readonly index: Reference | undefined;
  /** The image of an index for the platform that the visitor wants. */
  readonly forPlatform: Digest | undefined;
  /** Whether nothing is missing that could be known in a moment. */
  readonly complete: boolean;
}

/** In milliseconds since the epoch. */
export interface TagTimes {
  readonly pushedAt: number;
  readonly pulledAt: number | undefined;
}

export interface ImageQuery {
  readonly reference: Reference;
  /** The index by which the visitor came. */
  readonly of: Reference | undefined;
  /** Such as `linux/arm64`. */
  readonly platform: string | undefined;
  /** The first entry of an index to describe. */
  readonly from: number;
  /** Referrers after this digest. */
  readonly after: Digest | undefined;
}

/** Rejects with `manifest-unknown`. */
export async function describeImage(
  parts: DescribeParts,
  { name }: PullPermit,
  query: ImageQuery,
  deadline: Deadline,
): Promise<ImageDescription | undefined> {
  const { reader } = parts;
  const { reference } = query;
  const tag = reference.kind === "tag" ? reference.tag : undefined;
  const digest = await deadline.within(digestOfReference(parts.services, name, reference));
  if (digest === undefined) return undefined;
  // None of these needs the manifest: begun after it, they would have no time left whenever it is read slowly.
  const around = Promise.all([
    attachedTo(parts, name, digest, query.after, deadline),
    pushedAtOf(parts, name, digest, deadline),
    tag === undefined ? { value: undefined } : tagTimesOf(parts, name, tag, deadline),
    query.of === undefined ? { value: undefined } : indexOf(parts, name, digest, query.of, deadline),
  ]);
  // Nobody waits for it if the manifest is missing.
  around.catch(() => {});
  const manifest = await reader.read("manifest", { name, digest, kind: "manifest" }, deadline);
  if (manifest !== undefined && "problem" in manifest && manifest.problem === "missing")
    throw unknown(reference);
  const details = manifest && "value" in manifest ? manifest.value : undefined;
  const kind = details && kindOfManifest(details);
  const wantsConfig = kind === "image" && details?.config !== undefined;
  const [config, artifact, platforms, absent, [attached, pushed, times, index]] = await Promise.all([
    wantsConfig
      ? reader.read("config", { name, digest: details.config.digest, kind: "blob" }, deadline)
      : undefined,
    details?.kind === "image" && kind !== undefined && kind !== "image"
      ? describeArtifact(parts, name, kind, details, deadline)
      : undefined,
    details?.kind === "index" ? platformsOf(parts, name, details, query.from, deadline) : undefined,
    details?.kind === "image" ? absentOf(parts, name, details, query.from, deadline) : { value: noDigests },
    around,
  ]);
  const forPlatform =
    details?.kind === "index" && query.platform !== undefined
      ? imageForPlatform(details, query.platform)
      : undefined;
  const complete =
    manifest !== undefined &&
    (!wantsConfig || config !== undefined) &&
    artifact?.complete !== false &&
    platforms?.complete !== false &&
    attached?.complete === true &&
    [absent, pushed, times, index].every((known) => known !== undefined);
  return {
    name,
    digest,
    tag,
    manifest,
    kind,
    config,
    artifact,
    platforms,
    attached,
    absent: absent?.value ?? noDigests,
    pushedAt: pushed?.value,
    tagTimes: times?.value,
    forPlatform,
    index: index?.value,
    complete,
  };
}

/** Something that is known, even if it is that there is none. */
interface Known<T> {
  readonly value: T;
}

const noDigests: ReadonlySet<Digest> = new Set();

/** Layers that are looked for. */
const layersLookedFor = 64;
const looksAtOnce = 8;

async function absentOf(
  { services, reader }: DescribeParts,
  name: RepositoryName,
  { entries, config }: ManifestDetails,
  from: number,
  deadline: Deadline,
): Promise<Known<ReadonlySet<Digest>> | undefined> {
  if (!services.rules.allowsSparse(name)) return { value: noDigests };
  const absent = new Set<Digest>();
  const wanted = [
    ...entries.items.slice(from, from + layersLookedFor),
    ...(config === undefined ? [] : [config]),
  ];
  const look = inParallel(wanted, looksAtOnce, async ({ digest }) => {
    if ((await reader.blobSize(name, digest)) === undefined) absent.add(digest);
  });
  const found = look.then(() => ({ value: absent }));
  return deadline.within(found);
}

/** Returns the digest that a reference names. Rejects with `manifest-unknown`. */
export async function digestOfReference(
  services: DescribeParts["services"],
  name: RepositoryName,
  reference: Reference,
): Promise<Digest> {
  if (reference.kind === "digest") return reference.digest;
  const digest = await resolveTag(services, name, reference.tag);
  if (digest === undefined) throw unknown(reference);
  return digest;
}

function unknown(reference: Reference): RegistryError {
  return new RegistryError("manifest-unknown", "no such image in this repository", {
    reference: referenceText(reference),
  });
}

async function pushedAtOf(
  { services, reader }: DescribeParts,
  name: RepositoryName,
  digest: Digest,
  deadline: Deadline,
): Promise<Known<number | undefined> | undefined> {
  const read = async () => {
    for await (const value of services.storage.manifests.pushedAt(name, [digest])) return { value };
    return { value: undefined };
  };
  return reader.late.within(`pushed ${name}@${digest}`, deadline, read);
}

async function tagTimesOf(
  { services, reader }: DescribeParts,
  name: RepositoryName,
  tag: Tag,
  deadline: Deadline,
): Promise<Known<TagTimes | undefined> | undefined> {
  const read = async () => {
    for await (const { times } of services.storage.tags.times(name, [tag])) return { times };
    return { times: undefined };
  };
  const found = await reader.late.within(`times ${name}:${tag}`, deadline, read);
  if (found?.times === undefined) return found && { value: undefined };
  const { times } = found;
  return { value: { ...times, pulledAt: services.pulls.lastOf(name, tag) ?? times.pulledAt } };
}

/** Returns the index if it really contains the manifest, so that an address cannot claim something else. */
async function indexOf(
  parts: DescribeParts,
  name: RepositoryName,
  child: Digest,
  of: Reference,
  deadline: Deadline,
): Promise<Known<Reference | undefined> | undefined> {
  const find = async () => {
    const digest = of.kind === "digest" ? of.digest : await resolveTag(parts.services, name, of.tag);
    if (digest === undefined) return { value: undefined };
    const found = await parts.reader.read("manifest", { name, digest, kind: "manifest" }, deadline);
    if (found === undefined) return undefined;
    const contains =
      "value" in found && found.value.entries.items.some(({ digest: entry }) => entry === child);
    return { value: contains ? of : undefined };
  };
  return deadline.within(find());
}
