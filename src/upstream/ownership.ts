/**
 * Records which prefixes belong to upstream registries. Content below such a prefix was fetched, so it may be evicted, and a
 * pushed image never lies there. A prefix must therefore be free of pushed repositories when an upstream gets it, and it is
 * released, durably, before anybody can push below it again.
 *
 * One note lists all prefixes, so that a change of the settings is one atomic write: a crash leaves the old list or the new
 * one. It is written before the server accepts requests.
 */
import { z } from "zod";
import type { RepositoryName } from "../domain/repository-name.js";
import type { NoteStore, Storage } from "../storage/storage.js";

const note = "upstream-prefixes";

const form = z.object({ version: z.literal(1), prefixes: z.array(z.string()) });

/** A prefix that no upstream may use, because repositories exist below it that may have been pushed. */
export interface TakenPrefix {
  readonly prefix: string;
  /** One of the repositories. */
  readonly name: RepositoryName;
}

type Store = Pick<Storage, "notes" | "repositories" | "readOnly">;

/** Resolves with the prefixes below which everything was fetched. */
export async function ownedPrefixes({ notes }: { readonly notes: NoteStore }): Promise<ReadonlySet<string>> {
  const bytes = await notes.read(note);
  if (bytes === undefined) return new Set();
  try {
    return new Set(form.parse(JSON.parse(bytes.toString())).prefixes);
  } catch {
    // A damaged note protects what may have been pushed: no prefix counts as owned.
    return new Set();
  }
}

/**
 * Makes `prefixes` the prefixes of the upstreams, and no others. Changes nothing, and resolves with the first prefix that
 * cannot be used, if there is one.
 */
export async function claimPrefixes(
  storage: Store,
  prefixes: readonly string[],
): Promise<TakenPrefix | undefined> {
  const owned = await ownedPrefixes(storage);
  for (const prefix of prefixes) {
    if (owned.has(prefix)) continue;
    const name = await firstBelow(storage, prefix);
    if (name !== undefined) return { prefix, name };
  }
  const isSame = owned.size === prefixes.length && prefixes.every((prefix) => owned.has(prefix));
  if (isSame || storage.readOnly) return undefined;
  await storage.notes.put(note, Buffer.from(JSON.stringify({ version: 1, prefixes })));
  return undefined;
}

/** Resolves with a repository below the prefix. Also finds those that have only blobs. */
export async function firstBelow(
  { repositories }: Pick<Storage, "repositories">,
  prefix: string,
): Promise<RepositoryName | undefined> {
  const start = `${prefix}/`;
  for await (const name of repositories.list(start, 1)) {
    if (name.startsWith(start)) return name;
    break;
  }
  for await (const name of repositories.all()) if (name.startsWith(start)) return name;
  return undefined;
}
