/** An OCI image layout as a source. Its blobs are copied, not linked, because other programs may change the directory. */
import { resolve } from "node:path";
import type { Digest } from "../../domain/digest.js";
import { manifestBytesMax } from "../../domain/manifest.js";
import { isTag, type Tag } from "../../domain/reference.js";
import { isRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import { fileSize, readFileBytes, readSmall } from "../files.js";
import { type NamedContent, refName } from "../sink.js";
import {
  type OnStray,
  type OnUndelivered,
  type Source,
  type SourceBlob,
  SourceError,
  type SourceManifest,
  type SourceRepository,
  type SourceTag,
} from "../source.js";
import { blobFile, readIndex } from "./layout.js";

export interface LayoutOptions {
  readonly path: string;
  /** The repository for everything; if absent, each entry must be named `NAME:TAG`. */
  readonly name: RepositoryName | undefined;
  /** The tag for the layout's only image, whatever its name in the layout. */
  readonly tag: Tag | undefined;
  readonly onStray: OnStray;
  readonly onUndelivered: OnUndelivered;
}

const notPlaced = "not imported, because it is not named NAME:TAG; choose its repository with --as";

/** Rejects if there is no layout, or if `tag` is set and the layout has not exactly one image. */
export async function openLayout({
  path,
  name,
  tag,
  onStray,
  onUndelivered,
}: LayoutOptions): Promise<Source> {
  const folder = resolve(path);
  const entries = await readIndex(folder);
  if (entries === undefined) throw new SourceError(`there is no OCI layout in ${folder}`);
  const repositories = new Map<RepositoryName, LayoutRepository>();
  const repository = (of: RepositoryName): LayoutRepository => {
    const found = repositories.get(of) ?? new LayoutRepository(folder, of);
    repositories.set(of, found);
    return found;
  };
  if (tag !== undefined && name !== undefined) {
    const [entry, ...others] = named(entries);
    if (entry === undefined || others.length > 0)
      throw new SourceError(
        `${folder} has ${named(entries).length} images instead of one; omit the tag to import all`,
      );
    repository(name).add(entry.digest, tag);
    for (const { digest } of entries) repository(name).add(digest);
  } else {
    const unplaced: { digest: Digest; ref: string | undefined }[] = [];
    for (const { digest, annotations } of entries) {
      const ref = annotations?.[refName];
      const place = placeOf(ref, name);
      if (place !== undefined) repository(place.name).add(digest, place.tag);
      else unplaced.push({ digest, ref });
    }
    // Beside images that have a place, an entry without a name is attached to one of them.
    for (const { digest, ref } of unplaced)
      if (ref === undefined && repositories.size > 0) onStray(digest, notPlaced);
      else onUndelivered(digest, `${ref === undefined ? "" : `${ref}: `}${notPlaced}`);
  }
  return {
    repositories: async function* () {
      for (const one of repositories.values()) yield { repository: one, roots: one.roots };
    },
    close: async () => {},
  };
}

/** Returns the entries with a name, or all if none has one: entries without a name are attached to another image. */
function named(entries: readonly NamedContent[]): readonly NamedContent[] {
  const withNames = entries.filter(({ annotations }) => annotations?.[refName] !== undefined);
  const distinct = new Map(
    (withNames.length > 0 ? withNames : entries).map((entry) => [entry.digest, entry]),
  );
  return [...distinct.values()];
}

/** Returns the repository and tag of an entry. The requested repository replaces the one in the entry's own name. */
function placeOf(
  ref: string | undefined,
  asked: RepositoryName | undefined,
): { name: RepositoryName; tag?: Tag } | undefined {
  const colon = ref?.lastIndexOf(":") ?? -1;
  const tag = ref?.slice(colon + 1) ?? "";
  const own = ref?.slice(0, Math.max(colon, 0)) ?? "";
  const name = asked ?? (isRepositoryName(own) ? own : undefined);
  if (name === undefined) return undefined;
  return isTag(tag) ? { name, tag } : { name };
}

class LayoutRepository implements SourceRepository {
  readonly #tags: SourceTag[] = [];
  readonly #untagged: Digest[] = [];

  constructor(
    readonly folder: string,
    readonly name: RepositoryName,
  ) {}

  add(digest: Digest, tag?: Tag): void {
    if (tag === undefined) this.#untagged.push(digest);
    else this.#tags.push({ tag, digest: async () => digest });
  }

  get roots(): number {
    return this.#tags.length + this.#untagged.length;
  }

  async *tags(): AsyncIterable<SourceTag> {
    yield* this.#tags;
  }

  async *manifests(): AsyncIterable<Digest> {
    yield* this.#untagged;
  }

  /** None in addition to those in manifests. */
  async *blobs(): AsyncIterable<Digest> {}

  /** None: `manifests` includes attached entries, which have no name. */
  async *referrers(): AsyncIterable<Digest> {}

  async manifest(digest: Digest): Promise<SourceManifest | undefined> {
    const bytes = await readSmall(blobFile(this.folder, digest), manifestBytesMax);
    return bytes && { bytes, mediaType: "" };
  }

  async blob(digest: Digest): Promise<SourceBlob | undefined> {
    const file = blobFile(this.folder, digest);
    const size = await fileSize(file);
    return size === undefined
      ? undefined
      : { size, unsure: true, read: (signal) => readFileBytes(file, size, signal) };
  }
}
