/** Selects the references to export, each by name or pattern. */
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { describeError } from "../../lib/describe-error.js";
import type { Services } from "../services.js";
import type { ExportProblem } from "./report.js";

/** Repositories, and in each a manifest by its digest or the manifests of some tags. */
export interface Selection {
  /** The text of the argument. */
  readonly text: string;
  readonly wants: (name: RepositoryName) => boolean;
  readonly what: { readonly digest: Digest } | { readonly wantsTag: (tag: Tag) => boolean };
}

export interface Root {
  readonly name: RepositoryName;
  readonly tag?: Tag;
  readonly digest: Digest;
}

export interface Selected {
  readonly roots: readonly Root[];
  /** Selections without a match. */
  readonly unmet: readonly Selection[];
  /** Selected objects that cannot be read. */
  readonly problems: readonly ExportProblem[];
}

/** Returns everything that is selected, once. An unreadable object in one repository does not affect the others. */
export async function rootsOf(services: Services, selections: readonly Selection[]): Promise<Selected> {
  const roots = new Map<string, Root>();
  const unmet = new Set(selections);
  const problems: ExportProblem[] = [];
  for await (const name of services.storage.repositories.list()) {
    for (const selection of selections) {
      if (!selection.wants(name)) continue;
      try {
        for await (const root of rootsIn(services, name, selection, problems)) {
          roots.set(`${name}:${root.tag ?? root.digest}`, root);
          unmet.delete(selection);
        }
      } catch (error) {
        if (!(error instanceof RegistryError)) throw error;
        problems.push({ repository: name, what: `the repository cannot be read: ${describeError(error)}` });
      }
    }
  }
  return { roots: [...roots.values()], unmet: [...unmet], problems };
}

async function* rootsIn(
  { storage }: Services,
  name: RepositoryName,
  { what }: Selection,
  problems: ExportProblem[],
): AsyncIterable<Root> {
  if ("digest" in what) {
    const { digest } = what;
    if ((await storage.manifests.size(name, digest)) !== undefined) yield { name, digest };
    return;
  }
  const wanted = ((await storage.tags.list(name)) ?? []).filter((tag) => what.wantsTag(tag));
  for await (const { tag, digest } of storage.tags.targets(name, wanted)) {
    if (digest !== undefined) yield { name, tag, digest };
    else problems.push({ repository: name, tag, what: "the tag cannot be read" });
  }
}
