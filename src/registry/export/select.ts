/** What an export is about: references of this registry, each by name or by pattern. */
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { resolveTag } from "../pull-manifest.js";
import type { Services } from "../services.js";

/** Some repositories, and of each a manifest by its digest or those that some tags point to. */
export interface Selection {
  /** As it was asked for. */
  readonly text: string;
  readonly wants: (name: RepositoryName) => boolean;
  readonly what: { readonly digest: Digest } | { readonly wantsTag: (tag: Tag) => boolean };
}

export interface Root {
  readonly name: RepositoryName;
  readonly tag?: Tag;
  readonly digest: Digest;
}

/** Everything that is selected, once, and the selections that nothing is there for. */
export async function rootsOf(
  services: Services,
  selections: readonly Selection[],
): Promise<{ roots: readonly Root[]; unmet: readonly Selection[] }> {
  const roots = new Map<string, Root>();
  const unmet = new Set(selections);
  for await (const name of services.storage.repositories.list()) {
    for (const selection of selections) {
      if (!selection.wants(name)) continue;
      for await (const root of rootsIn(services, name, selection)) {
        roots.set(`${name}:${root.tag ?? root.digest}`, root);
        unmet.delete(selection);
      }
    }
  }
  return { roots: [...roots.values()], unmet: [...unmet] };
}

async function* rootsIn(services: Services, name: RepositoryName, { what }: Selection): AsyncIterable<Root> {
  if ("digest" in what) {
    const { digest } = what;
    if ((await services.storage.manifests.size(name, digest)) !== undefined) yield { name, digest };
    return;
  }
  for (const tag of (await services.storage.tags.list(name)) ?? []) {
    const digest = what.wantsTag(tag) ? await resolveTag(services, name, tag) : undefined;
    if (digest !== undefined) yield { name, tag, digest };
  }
}
