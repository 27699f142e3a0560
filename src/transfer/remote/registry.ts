/** A registry that runs as a source: what it lists and serves by the OCI distribution specification. */
import { isObject } from "../../domain/descriptor.js";
import { type Digest, defaultAlgorithm, isDigest } from "../../domain/digest.js";
import { digestBytes } from "../../domain/hash.js";
import { manifestBytesMax } from "../../domain/manifest.js";
import { isManifestMediaType, mediaTypes, withoutParameters } from "../../domain/media-type.js";
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
import { readBlob } from "./blob.js";
import { AnswerError, type ClientOptions, expectSuccess, RegistryClient } from "./client.js";
import { entriesOf, type ListBounds, textsOf } from "./pages.js";
import { RateLimit } from "./rate.js";

export interface RemoteOptions extends ClientOptions {
  /** Those to import by name; where there are none, all that the registry lists and `wants`. */
  readonly names: readonly RepositoryName[];
  readonly wants: (name: RepositoryName) => boolean;
  /** Absent where all tags are wanted. */
  readonly wantsTag: ((tag: Tag) => boolean) | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly onStray: OnStray;
}

/** Listings are read in pages of this many names. */
const pageEntries = 1000;

/** More refer to no manifest that people made. */
const referrersBounds: ListBounds = { pageBytesMax: manifestBytesMax, entriesMax: 10_000 };

const accept = [
  mediaTypes.ociIndex,
  mediaTypes.ociManifest,
  mediaTypes.dockerList,
  mediaTypes.dockerManifest,
].join(", ");

export async function openRegistry(options: RemoteOptions): Promise<Source> {
  return new RemoteRegistry(options, await RegistryClient.open(options));
}

class RemoteRegistry implements Source {
  readonly rate: RateLimit | undefined;
  /** Whether the registry answers what refers to a manifest; found out by asking. */
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
      if (!isRepositoryName(name)) onStray(name, "not named as a repository is");
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
    /** Whether it was asked for by its name; else the registry has listed it. */
    readonly isNamed: boolean,
  ) {}

  /** 0 where they cannot be listed, which `tags` then tells. */
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
      this.registry.options.onStray(this.name, "the registry lists the repository, and no tags of it");
    }
  }

  async *#tagNames(): AsyncIterable<Tag> {
    const { wantsTag, onStray } = this.registry.options;
    const path = `/v2/${this.name}/tags/list?n=${pageEntries}`;
    for await (const tag of textsOf(this.registry.client, this.name, path, "tags")) {
      if (!isTag(tag)) onStray(`${this.name}:${tag}`, "not named as a tag is");
      else if (wantsTag?.(tag) ?? true) yield tag;
    }
  }

  async #resolve(tag: Tag): Promise<Digest | undefined> {
    const { client } = this.registry;
    const path = `/v2/${this.name}/manifests/${tag}`;
    const answer = await client.request(this.name, path, { Accept: accept }, "HEAD");
    await answer.body.dump();
    if (answer.statusCode === 404) return undefined;
    expectSuccess(answer, path);
    const digest = String(answer.headers["docker-content-digest"] ?? "");
    if (isDigest(digest)) return digest;
    const manifest = await this.#manifest(tag);
    return manifest && digestBytes(defaultAlgorithm, manifest.bytes);
  }

  /** None beside those that tags lead to and that refer to these: a registry lists no others. */
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
    // Where all tags come, so do those of the referrers tag schema.
    if (registry.options.wantsTag === undefined) return;
    try {
      yield* this.#referrersAt(`/v2/${this.name}/manifests/${digest.replace(":", "-")}`);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** The manifests of an index, and of the pages behind it. */
  async *#referrersAt(path: string): AsyncIterable<Digest> {
    const { client } = this.registry;
    const headers = { Accept: accept };
    for await (const entry of entriesOf(client, this.name, path, "manifests", referrersBounds, headers)) {
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
      const headers = { Accept: accept };
      const { answer, body } = await this.registry.client.whole(this.name, path, manifestBytesMax, headers);
      const mediaType = withoutParameters(String(answer.headers["content-type"] ?? ""));
      // Some serve it as plain JSON.
      return { bytes: body, mediaType: isManifestMediaType(mediaType) ? mediaType : "" };
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
      read: (signal) => readBlob(client, this.name, path, rate, signal),
    };
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof AnswerError && error.status === 404;
}
