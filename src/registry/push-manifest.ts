/** Pushing manifests (distribution-spec, end-7a and end-7b). */

import { setImmediate } from "node:timers/promises";
import type { PushPermit } from "../auth/gate.js";
import type { StoredManifest } from "../cache/caches.js";
import type { Descriptor } from "../domain/descriptor.js";
import { algorithmOf, type Digest, defaultAlgorithm } from "../domain/digest.js";
import { RegistryError, RegistryErrors } from "../domain/errors.js";
import type { ManifestContent } from "../domain/manifest.js";
import { isManifestMediaType } from "../domain/media-type.js";
import { holds, type Precondition, preconditionFailed } from "../domain/precondition.js";
import { type Mismatch, mismatchError } from "../domain/pushed-manifest.js";
import type { Reference, Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { isImmutable } from "../gc/retention.js";
import { allEnded } from "../lib/in-parallel.js";
import { noSpans, type Spans } from "../lib/spans.js";
import type { Referrer } from "../storage/storage.js";
import type { PushedRead } from "./manifest-reader/manifest-reader.js";
import type { Services } from "./services.js";
import { immutable, pointing } from "./tags.js";

export interface ManifestPush {
  readonly reference: Reference;
  /** Tags named beside a digest, end-7b. */
  readonly tags: readonly Tag[];
  /** Without parameters; `""` where the request had none. */
  readonly contentType: string;
  /** Consumed: the stored manifest has another buffer if they were large. */
  readonly bytes: Buffer;
  /** Of the manifest that `reference` names now, be there other tags or not. */
  readonly precondition?: Precondition | undefined;
  /**
   * Called for each descriptor with a wrong size, wrong embedded data or a malformed media type; the manifest is stored
   * all the same. Without it malformed media types are refused, and the setting decides about the others.
   */
  readonly onMismatch?: (mismatch: Mismatch) => void;
}

export interface PushedManifest {
  readonly manifest: StoredManifest;
  readonly subject: Digest | undefined;
}

/**
 * Enters the manifest among its subject's referrers, stores it and points its tags to it, in this order:
 * a crash leaves no tag without its manifest, no manifest that its subject does not list, and at most an
 * entry that nobody is told of. Rejects with `manifest-invalid`,
 * `digest-mismatch` or, for what it names and the repository lacks, `manifest-blob-unknown`. With
 * `precondition-failed` nothing is stored.
 */
export async function pushManifest(
  services: Services,
  permit: PushPermit,
  push: ManifestPush,
  spans: Spans = noSpans,
): Promise<PushedManifest> {
  const { name } = permit;
  const { reference } = push;
  const { manifest, digest, mismatches, bytes } = await spans.during("parse", () =>
    parsePushed(services, push),
  );
  const refuse = refuseBy(services, push);
  for (const mismatch of mismatches) {
    const refusal = refuse(mismatch);
    if (refusal !== undefined) throw refusal;
  }
  const stored: StoredManifest = { digest, bytes, mediaType: manifest.mediaType };
  const tags = new Set(reference.kind === "tag" ? [reference.tag, ...push.tags] : push.tags);
  // Before the work; it is looked again when nobody else can change it.
  if (push.precondition !== undefined) await checkPrecondition(services, name, push, digest);
  await checkMovable(services, permit, tags, digest);
  await services.cluster.repositoryLocks.shared(name, async (hold) => {
    // Before it is looked whether they are there: a collector that removes nothing noted cannot come between.
    await services.cluster.leases.note(name, itselfAndNamed(digest, manifest));
    if (!services.rules.sparseManifests)
      await spans.during("check", () => checkPresence(services, name, manifest, refuse));
    const store = async () => {
      const key = `${name}@${digest}` as const;
      services.cluster.leases.grant(key);
      const { subject } = manifest;
      if (subject !== undefined) {
        const referrer = referrerOf(manifest, digest, bytes.length);
        await spans.during("referrers", () => services.storage.referrers.add(name, subject.digest, referrer));
      }
      hold.confirm();
      await spans.during("store", (within) => services.storage.manifests.write(name, digest, bytes, within));
      services.caches.manifests.set(key, stored);
      hold.confirm();
      await allEnded(
        Array.from(tags, (tag) => spans.during("tag", () => pointTag(services, permit, push, tag, digest))),
      );
    };
    if (push.precondition === undefined) await store();
    else await storeIfUnchanged(services, name, push, digest, store);
  });
  return { manifest: stored, subject: manifest.subject?.digest };
}

/** What the bytes say, and their digest. Rejects with `manifest-invalid` or `digest-mismatch`. */
async function parsePushed(
  { manifestReader }: Services,
  { reference, bytes, contentType, onMismatch }: ManifestPush,
): Promise<PushedRead> {
  const expected = reference.kind === "digest" ? reference.digest : undefined;
  const algorithm = expected === undefined ? defaultAlgorithm : algorithmOf(expected);
  const read = await manifestReader.pushed({
    bytes,
    contentType,
    algorithm,
    keepsMediaTypes: onMismatch !== undefined,
  });
  if (expected === undefined || read.digest === expected) return read;
  throw new RegistryError("digest-mismatch", "the manifest does not have the digest that it was pushed by", {
    expected,
    actual: read.digest,
  });
}

/** The error for a descriptor that does not fit its content, `undefined` where it is accepted. */
type Refuse = (mismatch: Mismatch) => RegistryError | undefined;

function refuseBy({ rules }: Services, { onMismatch }: ManifestPush): Refuse {
  return (mismatch) => {
    onMismatch?.(mismatch);
    return onMismatch === undefined && rules.strictSizes ? mismatchError(mismatch) : undefined;
  };
}

/** Stores while nobody else changes what the precondition is about. Rejects with `precondition-failed`. */
function storeIfUnchanged(
  services: Services,
  name: RepositoryName,
  push: ManifestPush,
  digest: Digest,
  store: () => Promise<void>,
): Promise<void> {
  const { reference } = push;
  const target =
    reference.kind === "tag" ? (`${name}:${reference.tag}` as const) : (`${name}@${digest}` as const);
  return services.cluster.targetLocks.exclusive(target, async () => {
    await checkPrecondition(services, name, push, digest);
    await store();
  });
}

async function checkPrecondition(
  { storage }: Services,
  name: RepositoryName,
  { reference, precondition = {} }: ManifestPush,
  digest: Digest,
): Promise<void> {
  if (reference.kind === "tag") {
    const current = await storage.tags.resolve(name, reference.tag);
    if (!holds(precondition, current, digest)) throw preconditionFailed(reference.tag, current);
  } else {
    const isThere = (await storage.manifests.size(name, digest)) !== undefined;
    const current = isThere ? digest : undefined;
    if (!holds(precondition, current, digest)) throw preconditionFailed(digest, current);
  }
}

/** Rejects where the tag may not be moved, or not from where it points. */
async function pointTag(
  services: Services,
  permit: PushPermit,
  { reference, precondition }: ManifestPush,
  tag: Tag,
  digest: Digest,
): Promise<void> {
  const { name } = permit;
  const refusal = whyUnmovable(services, permit, tag);
  const movable = refusal === undefined;
  // The precondition is of the manifest, not of the tag, where they are told apart.
  const isTarget = precondition !== undefined && reference.kind === "tag";
  const point = () =>
    services.storage.tags.point(name, tag, digest, isTarget ? { movable, precondition } : { movable });
  const result = await pointing(services, name, tag, digest, () =>
    isTarget ? point() : services.cluster.targetLocks.shared(`${name}:${tag}`, point),
  );
  if (result === "precondition-failed")
    throw preconditionFailed(tag, await services.storage.tags.resolve(name, tag));
  if (result === "immovable") throw refusal;
}

/** Before anything is stored; when the tag is pointed it is seen once more who was first. */
async function checkMovable(
  services: Services,
  permit: PushPermit,
  tags: Iterable<Tag>,
  digest: Digest,
): Promise<void> {
  for (const tag of tags) {
    const refusal = whyUnmovable(services, permit, tag);
    if (refusal === undefined) continue;
    const current = await services.storage.tags.resolve(permit.name, tag);
    if (current !== undefined && current !== digest) throw refusal;
  }
}

/** The error for who would move the tag, `undefined` where this caller may. */
function whyUnmovable(
  { rules }: Services,
  { name, mayMoveTags }: PushPermit,
  tag: Tag,
): RegistryError | undefined {
  if (isImmutable(rules.tagPolicy, name, tag)) return immutable(tag);
  if (mayMoveTags) return undefined;
  return new RegistryError("denied", `the tag ${tag} is there, and may be moved by others only`, { tag });
}

/** Descriptors looked up at a time: a manifest of 4 MiB may name 30,000. */
const lookupsAtOnce = 64;

async function checkPresence(
  services: Services,
  name: RepositoryName,
  manifest: ManifestContent,
  refuse: Refuse,
): Promise<void> {
  const missing: RegistryError[] = [];
  const lookups = lookupsOf(services, name, manifest, refuse);
  for (;;) {
    const batch = take(lookups, lookupsAtOnce);
    for (const error of await Promise.all(batch)) if (error !== undefined) missing.push(error);
    if (missing.length >= missingReportedMax || batch.length < lookupsAtOnce) break;
    // Where all answers come from memory, awaiting them lets nobody else have a turn.
    await setImmediate();
  }
  const [first, ...others] = missing;
  if (first !== undefined) throw new RegistryErrors([first, ...others.slice(0, missingReportedMax - 1)]);
}

function* itselfAndNamed(digest: Digest, { named }: ManifestContent): Generator<Digest> {
  yield digest;
  yield* named;
}

/** A check starts when the generator yields it. */
function* lookupsOf(
  services: Services,
  name: RepositoryName,
  { blobs, children }: ManifestContent,
  refuse: Refuse,
): Generator<Promise<RegistryError | undefined>> {
  for (const blob of blobs) yield checkBlob(services, name, blob, refuse);
  for (const child of children) yield checkChild(services, name, child, refuse);
}

/** The next `count` items, or all that are left. */
function take<T>(source: Iterator<T>, count: number): T[] {
  const taken: T[] = [];
  while (taken.length < count) {
    const next = source.next();
    if (next.done === true) break;
    taken.push(next.value);
  }
  return taken;
}

/** One error for each absent blob, but not thousands. */
const missingReportedMax = 100;

async function checkBlob(
  services: Services,
  name: RepositoryName,
  { digest, size }: Descriptor,
  refuse: Refuse,
): Promise<RegistryError | undefined> {
  const found = await presentSize(services, name, digest);
  if (found === undefined) return absent("blob", digest);
  return found === size ? undefined : refuse(wrongSize(digest, size, found));
}

/** Past the reads that others share: they may be waiting for the lock that is held here. */
async function presentSize(
  { caches, storage }: Services,
  name: RepositoryName,
  digest: Digest,
): Promise<number | undefined> {
  return caches.blobSizes.get(`${name}@${digest}`) ?? (await storage.blobs.size(name, digest));
}

/** What an index names may also be a blob, where it does not say that it is a manifest: BuildKit's caches are such. */
async function checkChild(
  services: Services,
  name: RepositoryName,
  child: Descriptor,
  refuse: Refuse,
): Promise<RegistryError | undefined> {
  const { digest, size, mediaType } = child;
  const kept = services.caches.manifests.get(`${name}@${digest}`)?.bytes.length;
  const found = kept ?? (await services.storage.manifests.size(name, digest));
  if (found === undefined)
    return isManifestMediaType(mediaType)
      ? absent("manifest", digest)
      : checkBlob(services, name, child, refuse);
  return found === size ? undefined : refuse(wrongSize(digest, size, found));
}

function absent(what: string, digest: Digest): RegistryError {
  return new RegistryError("manifest-blob-unknown", `the repository has no such ${what}`, { digest });
}

function wrongSize(digest: Digest, size: number, found: number): Mismatch {
  return { what: `a descriptor has the size ${size} and its content ${found}`, digest, size };
}

/** As the referrers API lists it (distribution-spec, «Listing Referrers»). */
export function referrerOf(manifest: ManifestContent, digest: Digest, size: number): Referrer {
  return {
    mediaType: manifest.mediaType,
    digest,
    size,
    ...(manifest.artifactType !== undefined && { artifactType: manifest.artifactType }),
    ...(manifest.annotations !== undefined && { annotations: manifest.annotations }),
  };
}
