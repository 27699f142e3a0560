/** A running registry as a source, read through the OCI distribution specification. */
import { isObject } from "../../domain/descriptor.js";
import { type Digest, defaultAlgorithm, isDigest } from "../../domain/digest.js";
import { digestBytes } from "../../domain/hash.js";
import { manifestBytesMax } from "../../domain/manifest.js";
import { isTag, type Tag } from "../../domain/reference.js";
import { isRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import {
  type OnStray,
  type Source,
  type SourceBlob,
  SourceError,
  type SourceManifest,
  type SourceRepository,
  type SourceTag,
} from "../source.js";
import { discard } from "./answer.js";
import { AnswerError } from "./answer-error.js";
import { readBlob } from "./blob.js";
import { RegistryClient } from "./client.js";
import type { ClientOptions } from "./client-options.js";
import { manifestHeaders, manifestType, namedDigest } from "./manifest-headers.js";
import { entriesOf, type ListBounds, textsOf } from "./pages.js";
import { RateLimit } from "./rate.js";

export interface RemoteOptions extends ClientOptions {
  /** Repositories to import by name; if empty, all that the registry lists and that `wants` selects. */
  readonly names: readonly RepositoryName[];
  readonly wants: (name: RepositoryName) => boolean;
  /** Absent if all tags are imported. */
  readonly wantsTag: ((tag: Tag) => boolean) | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly onStray: OnStray;
}

/** Names per page of a list. */
const pageEntries = 1000;

/** No manifest made by people has more referrers. */
const referrersBounds: ListBounds = { pageBytesMax: manifestBytesMax, entriesMax: 10_000 };

export async function openRegistry(options: RemoteOptions): Promise<Source> {
  return new RemoteRegistry(options, await RegistryClient.open(options));
}

class RemoteRegistry implements Source {
  readonly rate: RateLimit | undefined;
  /** Whether the registry supports the referrers API; assumed until a request shows otherwise. */
  referrersKnown = true;

  constructor(
    readonly options: RemoteOptions,
    readonly client: RegistryClient,
  ) {
    const { bytesPerSecond } = options;
    this.rate = bytesPerSecond === undefined ? undefined : new RateLimit(bytesPerSecond);
  }

  async *repositories(): ReturnType<Source["repositories"]> {
    const isNamed = this.options.names.length > 0;
    for await (const name of this.#names()) {
      const repository = new RemoteRepository(this, name, isNamed);
      yield { repository, roots: await repository.countTags() };
    }
  }

  async *#names(): AsyncIterable<RepositoryName> {
    const { names, wants, onStray } = this.options;
    if (names.length > 0) return yield* names;
    const path = `/v2/_catalog?n=${pageEntries}`;
    for await (const name of textsOf(this.client, "", path, "repositories")) {
      if (!isRepositoryName(name)) onStray(name, "not a valid repository name");
      else if (wants(name)) yield name;
    }
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

class RemoteRepository implements SourceRepository {
  constructor(
    readonly registry: RemoteRegistry,
    readonly name: RepositoryName,
    /** Whether the user named it; otherwise the registry has listed it. */
    readonly isNamed: boolean,
  ) {}

  /** Returns 0 if they cannot be listed; `tags` then reports the error. */
  async countTags(): Promise<number> {
    let count = 0;
    try {
      for await (const _ of this.#tagNames()) count++;
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
    }
    return count;
  }

  async *tags(): AsyncIterable<SourceTag> {
    try {
      for await (const tag of this.#tagNames()) yield { tag, digest: () => this.#resolve(tag) };
    } catch (error) {
      // CNCF distribution lists repositories that have lost their last tag.
      if (this.isNamed || !(error instanceof AnswerError) || error.status !== 404) throw error;
      this.registry.options.onStray(this.name, "the registry lists the repository but none of its tags");
    }
  }

  async *#tagNames(): AsyncIterable<Tag> {
    const { wantsTag, onStray } = this.registry.options;
    const path = `/v2/${this.name}/tags/list?n=${pageEntries}`;
    for await (const tag of textsOf(this.registry.client, this.name, path, "tags")) {
      if (!isTag(tag)) onStray(`${this.name}:${tag}`, "not a valid tag");
      else if (wantsTag?.(tag) ?? true) yield tag;
    }
  }

  async #resolve(tag: Tag): Promise<Digest | undefined> {
    const { client } = this.registry;
    const path = `/v2/${this.name}/manifests/${tag}`;
    const answer = await client.request(this.name, path, manifestHeaders, "HEAD");
    await discard(answer);
    if (answer.statusCode === 404) return undefined;
    client.demandSuccess(answer, path);
    const digest = namedDigest(answer);
    if (digest !== undefined) return digest;
    const manifest = await this.#manifest(tag);
    return manifest && digestBytes(defaultAlgorithm, manifest.bytes);
  }

  /** None: a registry lists no manifests other than tags and referrers. */
  async *manifests(): AsyncIterable<Digest> {}

  async *blobs(): AsyncIterable<Digest> {}

  async *referrers(digest: Digest): AsyncIterable<Digest> {
    const { registry } = this;
    if (registry.referrersKnown) {
      try {
        return yield* this.#referrersAt(`/v2/${this.name}/referrers/${digest}`);
      } catch (error) {
        if (!isNotFound(error)) throw error;
        registry.referrersKnown = false;
      }
    }
    // An import of all tags includes those of the referrers tag schema.
    if (registry.options.wantsTag === undefined) return;
    try {
      yield* this.#referrersAt(`/v2/${this.name}/manifests/${digest.replace(":", "-")}`);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** Returns the manifests of an index and of its following pages. */
  async *#referrersAt(path: string): AsyncIterable<Digest> {
    const { client } = this.registry;
    const bounds = referrersBounds;
    for await (const entry of entriesOf(client, this.name, path, "manifests", bounds, manifestHeaders)) {
      const text = isObject(entry) ? String(entry.digest) : "";
      if (isDigest(text)) yield text;
    }
  }

  manifest(digest: Digest): Promise<SourceManifest | undefined> {
    return this.#manifest(digest);
  }

  async #manifest(reference: Digest | Tag): Promise<SourceManifest | undefined> {
    const path = `/v2/${this.name}/manifests/${reference}`;
    try {
      const { client } = this.registry;
      const { answer, body } = await client.whole(this.name, path, manifestBytesMax, manifestHeaders);
      return { bytes: body, mediaType: manifestType(answer) };
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async blob(digest: Digest): Promise<SourceBlob> {
    const { client, rate } = this.registry;
    const path = `/v2/${this.name}/blobs/${digest}`;
    return {
      size: undefined,
      unsure: true,
      read: (signal, size) => readBlob(client, this.name, path, { size, rate, signal }),
    };
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof AnswerError && error.status === 404;
}
