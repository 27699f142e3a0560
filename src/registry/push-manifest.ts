/** Pushes manifests (distribution-spec, end-7a and end-7b). */

import type { PushPermit } from "../auth/gate.js";
import type { StoredManifest } from "../cache/caches.js";
import type { Hold } from "../cluster/cluster.js";
import { algorithmOf, type Digest, defaultAlgorithm } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { ManifestContent } from "../domain/manifest.js";
import { holds, type Precondition, preconditionFailed } from "../domain/precondition.js";
import { type Mismatch, mismatchError } from "../domain/pushed-manifest.js";
import type { Reference, Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { isImmutable } from "../gc/retention.js";
import { assert } from "../lib/assert.js";
import { allEnded } from "../lib/in-parallel.js";
import { noSpans, type Spans } from "../lib/spans.js";
import type { ManifestWrite, PointCondition, PointResult, Referrer, TagPush } from "../storage/storage.js";
import { checkPresence, type Refuse } from "./check-presence.js";
import type { PushedRead } from "./manifest-reader/manifest-reader.js";
import type { Services } from "./services.js";
import { type Actor, immutable, noteBy, pointing } from "./tags.js";

export interface ManifestPush {
  readonly reference: Reference;
  /** The digest that a manifest pushed by tag must have, if its caller knows it. */
  readonly digest?: Digest | undefined;
  /** Tags in the query of a push by digest, end-7b. */
  readonly tags: readonly Tag[];
  /** Without parameters; `""` if the request had none. */
  readonly contentType: string;
  /** Consumed: the stored manifest has another buffer if the bytes were large. */
  readonly bytes: Buffer;
  /** When the tags count as pushed, in milliseconds since the epoch, if not now: they come from another store. */
  readonly pushedAt?: number | undefined;
  /** Applies to the manifest that `reference` names now, regardless of the other tags. */
  readonly precondition?: Precondition | undefined;
  /**
   * Called for each descriptor with a wrong size, wrong embedded data or a malformed media type; the manifest is stored
   * anyway. Without it, malformed media types are refused, and the setting decides about the others.
   */
  readonly onMismatch?: (mismatch: Mismatch) => void;
  /** Whether another registry decides about the tags: they move, whatever the rules say about pushes. */
  readonly mirrored?: boolean;
  /** Who moves the tags, in their history; by default the caller. */
  readonly by?: Actor;
}

export interface PushedManifest {
  readonly manifest: StoredManifest;
  readonly subject: Digest | undefined;
}

/**
 * Adds the manifest to its subject's referrers, stores it and points its tags to it, in this order or at once. A crash never leaves a
 * tag without its manifest or a manifest missing from its subject's referrers, and at most an entry that is never listed.
 * Rejects with `manifest-invalid`, `digest-mismatch` or, for named content that the repository lacks,
 * `manifest-blob-unknown`. Stores nothing if it rejects with `precondition-failed`.
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
  // Checked before the work, and again when no other request can change the target.
  if (push.precondition !== undefined) await checkPrecondition(services, name, push, digest);
  if (push.mirrored !== true) await checkMovable(services, permit, tags, digest);
  await services.cluster.repositoryLocks.shared(name, async (hold) => {
    // Note the objects before looking for them: the collector removes nothing that is noted, so it cannot interfere.
    await services.cluster.leases.note(name, itselfAndNamed(digest, manifest));
    if (!services.rules.allowsSparse(name))
      await spans.during("check", () => checkPresence(services, name, manifest, refuse));
    const store = async () => {
      const key = `${name}@${digest}` as const;
      services.cluster.leases.grant(key);
      const subject = manifest.subject?.digest;
      const entry = subject && { subject, referrer: referrerOf(manifest, digest, bytes.length) };
      hold.confirm();
      const [tag, ...others] = tags;
      if (services.storage.pushes !== undefined && others.length === 0)
        await storeAtOnce(services, permit, push, { stored, entry }, tag, spans);
      else await storeOneByOne(services, permit, push, { stored, entry, hold }, tags, spans);
    };
    if (push.precondition === undefined) await store();
    else await storeIfUnchanged(services, name, push, digest, store);
  });
  return { manifest: stored, subject: manifest.subject?.digest };
}

/** A manifest to be stored, and its entry at its subject. */
interface StoredPush {
  readonly stored: StoredManifest;
  readonly entry: ManifestWrite["entry"];
}

async function storeOneByOne(
  services: Services,
  permit: PushPermit,
  push: ManifestPush,
  { stored, entry, hold }: StoredPush & { readonly hold: Hold },
  tags: ReadonlySet<Tag>,
  spans: Spans,
): Promise<void> {
  const { name } = permit;
  const { digest, bytes } = stored;
  const { storage } = services;
  if (entry !== undefined)
    await spans.during("referrers", () => storage.referrers.add(name, entry.subject, entry.referrer));
  hold.confirm();
  await spans.during("store", (within) => storage.manifests.write(name, digest, bytes, within));
  noteStored(services, name, stored, tags.size === 0);
  hold.confirm();
  await allEnded(
    Array.from(tags, (tag) =>
      spans.during("tag", () =>
        pointTag(services, permit, push, tag, digest, (condition, tagPush) =>
          storage.tags.point(name, tag, digest, condition, tagPush),
        ),
      ),
    ),
  );
}

/** Stores the manifest with its entry, and points its only tag, if there is one. */
async function storeAtOnce(
  services: Services,
  permit: PushPermit,
  push: ManifestPush,
  { stored, entry }: StoredPush,
  tag: Tag | undefined,
  spans: Spans,
): Promise<void> {
  const { name } = permit;
  const { digest, bytes } = stored;
  const { pushes } = services.storage;
  assert(pushes !== undefined, "the storage can do that");
  const write = (written: ManifestWrite["tag"]) =>
    spans.during("store", async (within) => {
      const result = await pushes.push(name, digest, { bytes, entry, tag: written }, within);
      noteStored(services, name, stored, tag === undefined);
      return result;
    });
  if (tag === undefined) await write(undefined);
  else
    await pointTag(services, permit, push, tag, digest, async (condition, tagPush) => {
      const result = await write({ tag, condition, push: tagPush });
      assert(result !== undefined, "pushing a tag has a result");
      return result;
    });
}

function noteStored(
  { caches, untaggedPushes }: Services,
  name: RepositoryName,
  stored: StoredManifest,
  isUntagged: boolean,
): void {
  caches.manifests.set(`${name}@${stored.digest}`, stored);
  if (isUntagged) untaggedPushes.note(name);
}

/** Returns the parsed manifest and its digest. Rejects with `manifest-invalid` or `digest-mismatch`. */
async function parsePushed(
  { manifestReader }: Services,
  { reference, digest, bytes, contentType, onMismatch }: ManifestPush,
): Promise<PushedRead> {
  const expected = reference.kind === "digest" ? reference.digest : digest;
  const algorithm = expected === undefined ? defaultAlgorithm : algorithmOf(expected);
  const read = await manifestReader.pushed({
    bytes,
    contentType,
    algorithm,
    keepsMediaTypes: onMismatch !== undefined,
  });
  if (expected === undefined || read.digest === expected) return read;
  throw new RegistryError("digest-mismatch", "the bytes of the manifest do not match the digest", {
    expected,
    actual: read.digest,
  });
}

function refuseBy({ rules }: Services, { onMismatch }: ManifestPush): Refuse {
  return (mismatch) => {
    onMismatch?.(mismatch);
    return onMismatch === undefined && rules.strictSizes ? mismatchError(mismatch) : undefined;
  };
}

/** Stores while no other request can change the target of the precondition. Rejects with `precondition-failed`. */
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

/** Rejects if the tag may not move, or not from its current target. */
async function pointTag(
  services: Services,
  permit: PushPermit,
  { reference, precondition, mirrored, pushedAt, by }: ManifestPush,
  tag: Tag,
  digest: Digest,
  pointBy: (condition: PointCondition, push: TagPush) => Promise<PointResult>,
): Promise<void> {
  const { name, identity } = permit;
  const refusal = mirrored === true ? undefined : whyUnmovable(services, permit, tag);
  const movable = refusal === undefined;
  // A precondition on a push by digest applies to the manifest, not to its tags.
  const isTarget = precondition !== undefined && reference.kind === "tag";
  const condition = isTarget ? { movable, precondition } : { movable };
  const note = noteBy(services, by ?? identity.subject);
  const point = () => pointBy(condition, { pushedAt, note });
  const result = await pointing(services, name, tag, digest, () =>
    isTarget ? point() : services.cluster.targetLocks.shared(`${name}:${tag}`, point),
  );
  if (result === "precondition-failed")
    throw preconditionFailed(tag, await services.storage.tags.resolve(name, tag));
  if (result === "immovable") throw refusal;
}

/** Checked before anything is stored. Pointing the tag checks again which push was first. */
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

/** Returns the error for moving the tag, or `undefined` if this caller may. */
function whyUnmovable(
  { rules }: Services,
  { name, mayMoveTags }: PushPermit,
  tag: Tag,
): RegistryError | undefined {
  if (isImmutable(rules.tagPolicy, name, tag)) return immutable(tag);
  if (mayMoveTags) return undefined;
  return new RegistryError("denied", `the tag ${tag} exists, and you may not move it`, { tag });
}

function* itselfAndNamed(digest: Digest, { named }: ManifestContent): Generator<Digest> {
  yield digest;
  yield* named;
}

/** Returns the manifest's entry in the referrers API (distribution-spec, "Listing Referrers"). */
export function referrerOf(manifest: ManifestContent, digest: Digest, size: number): Referrer {
  return {
    mediaType: manifest.mediaType,
    digest,
    size,
    ...(manifest.artifactType !== undefined && { artifactType: manifest.artifactType }),
    ...(manifest.annotations !== undefined && { annotations: manifest.annotations }),
  };
}
