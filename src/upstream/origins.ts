/**
 * Records from which registry the content below each prefix was fetched: a prefix keeps its content if its upstream gets
 * another URL. One note lists them, and is written before the server accepts requests.
 */
import { z } from "zod";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Storage } from "../storage/storage.js";
import { firstBelow } from "./ownership.js";

const note = "upstream-origins";

const form = z.object({ version: z.literal(1), origins: z.record(z.string(), z.string()) });

/** The settings of an upstream that decide where its content comes from. */
export interface OriginSettings {
  readonly name: string;
  readonly prefix: string;
  readonly url: URL;
  readonly namespace: string | undefined;
}

/** An upstream whose prefix has content from another URL or namespace. */
export interface ChangedOrigin {
  readonly upstream: string;
  readonly before: string;
  readonly now: string;
  /** One of the repositories with content from before. */
  readonly example: RepositoryName;
}

type Store = Pick<Storage, "notes" | "repositories" | "readOnly">;

/** Records the origins of these upstreams, and resolves with those that differ from the origin of what is cached. */
export async function recordOrigins(
  storage: Store,
  upstreams: readonly OriginSettings[],
): Promise<ChangedOrigin[]> {
  const known = await knownOrigins(storage);
  const changed: ChangedOrigin[] = [];
  for (const upstream of upstreams) {
    const before = known[upstream.prefix];
    const now = originOf(upstream);
    if (before === undefined || before === now) continue;
    const example = await firstBelow(storage, upstream.prefix);
    if (example !== undefined) changed.push({ upstream: upstream.name, before, now, example });
  }
  const origins = Object.fromEntries(upstreams.map((upstream) => [upstream.prefix, originOf(upstream)]));
  const isSame = JSON.stringify(origins) === JSON.stringify(known);
  if (!isSame && !storage.readOnly)
    await storage.notes.put(note, Buffer.from(JSON.stringify({ version: 1, origins })));
  return changed;
}

/** Without a note, or with a damaged one, nothing is known. */
async function knownOrigins({ notes }: Pick<Storage, "notes">): Promise<Record<string, string>> {
  const bytes = await notes.read(note);
  if (bytes === undefined) return {};
  try {
    return form.parse(JSON.parse(bytes.toString())).origins;
  } catch {
    return {};
  }
}

/** `https://registry.example.com/`, with the namespace as its path. */
function originOf({ url, namespace }: OriginSettings): string {
  return namespace === undefined ? url.href : new URL(`${namespace}/`, url).href;
}
