/**
 * A store of this program as a source, in a folder or a bucket. Every byte is hashed on its way, also that of a file that is
 * linked. A failure that may pass ends the import, which can be continued; any other concerns one object.
 */
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Robot } from "../../domain/robot.js";
import type { ReadableStore } from "../../storage/readable-store.js";
import type { TimedTag } from "../../storage/storage.js";
import { withErrors } from "../../storage/with-errors.js";
import { Pieces } from "../pieces.js";
import {
  type Source,
  type SourceBlob,
  SourceError,
  type SourceManifest,
  type SourceRepository,
  type SourceTag,
} from "../source.js";
import { sourceFailure } from "../source-failure.js";

export interface StoreSourceOptions {
  readonly store: ReadableStore;
  /** Whether a repository is to be imported. */
  readonly wants: (name: RepositoryName) => boolean;
}

export class StoreSource implements Source {
  readonly #store: ReadableStore;
  readonly #wants: StoreSourceOptions["wants"];
  readonly #pieces = new Pieces();

  constructor({ store, wants }: StoreSourceOptions) {
    const { repositories, manifests, tags, blobs, robots, close } = store;
    this.#store = {
      repositories: withErrors(repositories, sourceFailure),
      manifests: withErrors(manifests, sourceFailure),
      tags: withErrors(tags, sourceFailure),
      blobs: withErrors(blobs, sourceFailure),
      robots: withErrors(robots, sourceFailure),
      close,
    };
    this.#wants = wants;
  }

  async *repositories(): ReturnType<Source["repositories"]> {
    const { repositories, manifests, tags } = this.#store;
    for await (const name of repositories.all()) {
      if (!this.#wants(name)) continue;
      const roots = (await manifests.list(name)).length + ((await tags.list(name)) ?? []).length;
      yield { repository: new StoreRepository(this.#store, this.#pieces, name), roots };
    }
  }

  robots(): AsyncIterable<Robot> {
    return this.#store.robots.all();
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

class StoreRepository implements SourceRepository {
  constructor(
    readonly store: ReadableStore,
    readonly pieces: Pieces,
    readonly name: RepositoryName,
  ) {}

  async *tags(): AsyncIterable<SourceTag> {
    const { tags } = this.store;
    // A repository with blobs only has no place for tags.
    if ((await tags.list(this.name)) === undefined) return;
    const times = new Map<Tag, TimedTag["times"]>();
    for await (const timed of tags.times(this.name)) times.set(timed.tag, timed.times);
    for await (const { tag, digest } of tags.targets(this.name))
      yield { tag, digest: async () => digest, times: times.get(tag) };
  }

  async *manifests(): AsyncIterable<Digest> {
    yield* await this.store.manifests.list(this.name);
  }

  async *blobs(): AsyncIterable<Digest> {
    yield* await this.store.blobs.list(this.name);
  }

  /** None: `manifests` lists everything. */
  async *referrers(): AsyncIterable<Digest> {}

  async manifest(digest: Digest): Promise<SourceManifest | undefined> {
    const bytes = await this.store.manifests.read(this.name, digest);
    if (bytes === "unreadable") throw new SourceError("the source has another kind of object in its place");
    return bytes && { bytes, mediaType: "" };
  }

  async blob(digest: Digest): Promise<SourceBlob | undefined> {
    const found = await this.store.blobs.find(this.name, digest);
    if (found === undefined) return undefined;
    const { size, outside } = found;
    return { size, outside, unsure: true, read: (signal) => this.pieces.read(found.open, size, signal) };
  }
}
