/**
 * A store of this program as a source, in a folder or a bucket. Every byte is hashed on its way, also that of a file that is
 * linked. A failure that may pass ends the import, which can be continued; any other concerns one object.
 */
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Robot } from "../../domain/robot.js";
import { Turns } from "../../lib/turns.js";
import type { ReadableBlob, ReadableStore } from "../../storage/readable-store.js";
import type { TimedTag } from "../../storage/storage.js";
import { withErrors } from "../../storage/with-errors.js";
import {
  type Source,
  type SourceBlob,
  SourceError,
  type SourceManifest,
  type SourceRepository,
  type SourceTag,
} from "../source.js";

/** Blobs read at once: with `pieceBytes`, their pieces take 64 MiB. */
const blobsAtOnce = 16;

const pieceBytes = 4 * 1024 * 1024;

export interface StoreSourceOptions {
  readonly store: ReadableStore;
  /** Whether a repository is to be imported. */
  readonly wants: (name: RepositoryName) => boolean;
}

export class StoreSource implements Source {
  readonly #store: ReadableStore;
  readonly #wants: StoreSourceOptions["wants"];
  readonly #turns = new Turns(blobsAtOnce);

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
      yield { repository: new StoreRepository(this.#store, this.#turns, name), roots };
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
    readonly turns: Turns,
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
    return { size, outside, unsure: true, read: (signal) => readBlob(found, this.turns, signal) };
  }
}

async function* readBlob(blob: ReadableBlob, turns: Turns, signal: AbortSignal): AsyncIterable<Uint8Array> {
  await turns.begin();
  try {
    const reader = await blob.open();
    if (reader === undefined) throw new SourceError("the source has removed the blob meanwhile");
    try {
      for (let position = 0; position < blob.size; ) {
        signal.throwIfAborted();
        const piece = Buffer.allocUnsafe(Math.min(pieceBytes, blob.size - position));
        const bytes = await reader.read(piece, position);
        if (bytes === 0) throw new SourceError(`the blob has ${position} bytes instead of ${blob.size}`);
        yield piece.subarray(0, bytes);
        position += bytes;
      }
    } finally {
      await reader.close();
    }
  } catch (error) {
    throw sourceFailure(error);
  } finally {
    turns.end();
  }
}

/** Returns the error of the source for one of its storage, which must not be taken for one of the target. */
function sourceFailure(error: unknown): unknown {
  if (error instanceof RegistryError) {
    if (error.kind === "storage-unavailable")
      return new Error("the source is unavailable; run the import again to continue", { cause: error.cause });
    return new SourceError("the source cannot be read", { cause: error.cause ?? error });
  }
  const isOfSystem = error instanceof Error && "code" in error && !(error instanceof SourceError);
  return isOfSystem ? new SourceError(error.message, { cause: error }) : error;
}
