/** Lists tags (distribution-spec, end-8a and end-8b), and publishes their changes to all nodes. */
import type { PullPermit } from "../auth/gate.js";
import type { Subject } from "../auth/identity.js";
import { TagList } from "../cache/tag-list.js";
import type { Cluster, Hold } from "../cluster/cluster.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { OwnActor, TagNote } from "../domain/tag-history.js";
import type { PointResult } from "../storage/storage.js";
import type { Services } from "./services.js";

/** Returns the repository's tags in ASCII order. Rejects with `name-unknown`. */
export async function tagsOf(
  { caches, storage }: Pick<Services, "caches" | "storage">,
  { name }: PullPermit,
): Promise<TagList> {
  const list = await caches.tagLists.load(name, async () => {
    const tags = await storage.tags.list(name);
    return tags && TagList.of(tags);
  });
  if (list === undefined)
    throw new RegistryError("name-unknown", "repository name not known to registry", { name });
  return list;
}

/** Returns the error for moving or removing an immutable tag. */
export function immutable(tag: Tag): RegistryError {
  return new RegistryError("denied", `the tag ${tag} is immutable: it cannot be moved or deleted`, { tag });
}

/** Who changes a tag, in its history. */
export type Actor = Subject | OwnActor;

/** Returns what makes a change of a tag by `by` an entry of its history, or `undefined` if none is kept. */
export function noteBy({ rules: { history } }: Services, by: Actor): TagNote | undefined {
  return history && { by, bounds: history };
}

/** Runs `point`, which points the tag to `digest` or returns why it did not. All nodes know the change when this resolves. */
export async function pointing(
  { caches, cluster }: Services,
  name: RepositoryName,
  tag: Tag,
  digest: Digest,
  point: () => Promise<PointResult>,
): Promise<PointResult> {
  const key = `${name}:${tag}` as const;
  caches.tags.beginWrite(key);
  const result = await point().catch(async (error: unknown) => {
    caches.tags.endWrite(key);
    await tagUnsure(cluster, name, tag);
    throw error;
  });
  const isLast = caches.tags.endWrite(key);
  if (result !== "pointed") return result;
  const told = cluster.changes.publish({ kind: "tag-pointed", name, tag });
  if (isLast) caches.tags.set(key, digest);
  await told;
  return result;
}

/** Runs `remove`, which removes the tag and resolves with whether it existed. All nodes know the change when this resolves. */
export async function removingTag(
  { cluster }: Services,
  hold: Hold,
  name: RepositoryName,
  tag: Tag,
  remove: () => Promise<boolean>,
): Promise<boolean> {
  hold.confirm();
  const removed = await remove().catch(async (error: unknown) => {
    await tagUnsure(cluster, name, tag);
    throw error;
  });
  await cluster.changes.publish({ kind: "tag-removed", name, tag });
  return removed;
}

function tagUnsure({ changes }: Cluster, name: RepositoryName, tag: Tag): Promise<void> | undefined {
  return changes.publish({ kind: "tag-unsure", name, tag });
}
