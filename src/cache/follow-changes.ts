/** Keeps the caches current: drops the entries that any node has changed. */
import type { Change, Changes, ChangesLost } from "../cluster/cluster.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Caches } from "./caches.js";
import type { TagList } from "./tag-list.js";

export function followChanges(caches: Caches, changes: Changes): void {
  changes.subscribe((change) => {
    apply(caches, change);
    return undefined;
  });
}

function apply(caches: Caches, change: Change | ChangesLost): void {
  switch (change.kind) {
    case "tag-pointed":
      caches.tags.delete(`${change.name}:${change.tag}`);
      updateList(caches, change.name, (list) => list.with(change.tag));
      return;
    case "tag-removed":
      caches.tags.delete(`${change.name}:${change.tag}`);
      updateList(caches, change.name, (list) => list.without(change.tag));
      return;
    case "tag-unsure":
      caches.tags.delete(`${change.name}:${change.tag}`);
      caches.tagLists.delete(change.name);
      return;
    case "manifest-deleted":
      caches.manifests.delete(`${change.name}@${change.digest}`);
      return;
    case "blob-deleted":
      caches.forgetBlob(change.name, change.digest);
      return;
    case "condemned":
      caches.manifests.delete(`${change.name}@${change.digest}`);
      caches.forgetBlob(change.name, change.digest);
      return;
    case "repository-emptied":
      caches.tagLists.delete(change.name);
      return;
    case "blobs-healed":
      caches.forgetBlobs();
      return;
    case "pushed-untagged":
    case "robot-changed":
    case "web-session-ended":
      return;
    case "lost":
      if (change.of === "tags") caches.forgetTags();
      else caches.forgetAll();
  }
}

/** Repository locks order the changes of a list: a tag is never added while another is removed. */
function updateList(caches: Caches, name: RepositoryName, update: (list: TagList) => TagList): void {
  const list = caches.tagLists.get(name);
  // If none is cached, a running read may have seen the list before this change: the deletion keeps it from being cached.
  if (list === undefined) caches.tagLists.delete(name);
  else caches.tagLists.set(name, update(list));
}
