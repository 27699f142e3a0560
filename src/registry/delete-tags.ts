/** Deletes tags that point to what the caller has seen. */
import type { DeletePermit } from "../auth/gate.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { Tag } from "../domain/reference.js";
import { deleteManifest } from "./delete.js";
import type { RegistryEvent } from "./registry-event.js";
import type { Services } from "./services.js";

/**
 * Deletes the tags in their order and yields what it has deleted. A tag that somebody else has deleted is skipped. Deletes
 * none and throws `precondition-failed` if a tag had moved before the first deletion. Throws `precondition-failed` at a tag that
 * moves after that; those before it are deleted.
 */
export async function* deleteTags(
  services: Services,
  permit: DeletePermit,
  seen: ReadonlyMap<Tag, Digest | undefined>,
): AsyncIterable<RegistryEvent> {
  for await (const { tag, digest } of services.storage.tags.targets(permit.name, [...seen.keys()]))
    if (digest !== undefined && seen.get(tag) !== digest)
      throw moved(`the tag ${tag} has moved since you saw it, so nothing was deleted`);
  for (const [tag, digest] of seen) yield* await deleteTag(services, permit, tag, digest);
}

async function deleteTag(
  services: Services,
  permit: DeletePermit,
  tag: Tag,
  digest: Digest | undefined,
): Promise<readonly RegistryEvent[]> {
  // A tag that was seen as missing is only deleted if nobody has pushed it since.
  const precondition = { match: new Set(digest === undefined ? [] : [digest]) };
  try {
    return await deleteManifest(services, permit, { kind: "tag", tag }, precondition);
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    if (error.kind === "manifest-unknown") return [];
    if (error.kind !== "precondition-failed") throw error;
    throw moved(`the tag ${tag} moved while the tags were being deleted; the tags before it are deleted`);
  }
}

function moved(message: string): RegistryError {
  return new RegistryError("precondition-failed", message);
}
