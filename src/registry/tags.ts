/** Listing tags (distribution-spec, end-8a and end-8b) and keeping what is cached of them true. */
import type { PullPermit } from "../auth/gate.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import { type Page, pageOf, placeOf } from "../domain/page.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

/** Up to `n` tags behind `last`, in ASCII order. Rejects with `name-unknown`. */
export async function listTags(
  services: Services,
  { name }: PullPermit,
  n: number,
  last: string,
): Promise<Page<Tag>> {
  const tags = await services.caches.tagLists.load(name, () => services.storage.tags.list(name));
  if (tags === undefined)
    throw new RegistryError("name-unknown", "repository name not known to registry", { name });
  return pageOf(tags, n, last);
}

/** The error for who would move or remove a tag that the policy keeps as it is. */
export function immutable(tag: Tag): RegistryError {
  return new RegistryError("denied", `the tag ${tag} is immutable: it is neither moved nor deleted`, { tag });
}

/** To be called when a tag has been pointed to a manifest. */
export function tagAdded(services: Services, name: RepositoryName, tag: Tag, digest: Digest): void {
  services.caches.tags.set(`${name}:${tag}`, digest);
  updateList(services, name, (tags) => {
    const place = placeOf(tags, tag);
    if (tags[place] !== tag) tags.splice(place, 0, tag);
  });
}

/** To be called when it cannot be told whether a tag has been pointed: the disk is asked again. */
export function tagUnsure(services: Services, name: RepositoryName, tag: Tag): void {
  services.caches.tags.delete(`${name}:${tag}`);
  services.caches.tagLists.delete(name);
}

/** To be called when a tag has been removed. */
export function tagRemoved(services: Services, name: RepositoryName, tag: Tag): void {
  services.caches.tags.delete(`${name}:${tag}`);
  updateList(services, name, (tags) => {
    const place = placeOf(tags, tag);
    if (tags[place] === tag) tags.splice(place, 1);
  });
}

function updateList(services: Services, name: RepositoryName, change: (tags: Tag[]) => void): void {
  const tags = services.caches.tagLists.get(name);
  if (tags === undefined) {
    // A listing may be on its way from the disk, with or without this tag.
    services.caches.tagLists.delete(name);
    return;
  }
  change(tags);
  services.caches.tagLists.set(name, tags);
}
