/** The pull-through cache: what a request for a repository of an upstream gets. Pushed repositories never come here. */
import type { PullPermit } from "../auth/gate.js";
import type { TagList } from "../cache/tag-list.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { Page } from "../domain/page.js";
import type { Reference } from "../domain/reference.js";
import { headBlob, type PulledBlob, pullBlob } from "../registry/pull-blob.js";
import type { ListedReferrer, ReferrersQuery } from "../registry/referrers.js";
import type { Services } from "../registry/services.js";
import { UpstreamBlobs } from "./blobs.js";
import { UpstreamLists } from "./lists.js";
import { type MirroredManifest, UpstreamManifests } from "./manifests.js";
import { Mirrored } from "./mirrored.js";
import type { UpstreamNames } from "./names.js";
import type { Upstream } from "./upstream.js";

export interface CacheOptions {
  /** How long the cache remembers that an upstream does not have something. */
  readonly absentMilliseconds: number;
  /** Called for failures of upstreams that no client sees. */
  readonly onBackgroundError: (error: unknown) => void;
}

export class UpstreamCache {
  readonly blobs: UpstreamBlobs;
  readonly manifests: UpstreamManifests;
  readonly lists: UpstreamLists;

  constructor(
    readonly services: Services,
    readonly names: UpstreamNames<Upstream>,
    { absentMilliseconds, onBackgroundError }: CacheOptions,
  ) {
    this.blobs = new UpstreamBlobs(services, absentMilliseconds);
    this.manifests = new UpstreamManifests(services, absentMilliseconds, onBackgroundError);
    this.lists = new UpstreamLists(services, absentMilliseconds, onBackgroundError);
  }

  /** Returns the upstream's side of a repository, for a request of `client`; `undefined` for a local one. */
  of(permit: PullPermit, requester: { readonly client: string }): MirroredRepository | undefined {
    const owned = this.names.ownerOf(permit.name);
    if (owned === undefined) return undefined;
    const { upstream } = owned;
    const remote = upstream.remoteName(owned.remote);
    return new MirroredRepository(this, new Mirrored(upstream, permit, remote, requester.client));
  }
}

export class MirroredRepository {
  constructor(
    readonly cache: UpstreamCache,
    readonly from: Mirrored,
  ) {}

  /** Throws or rejects with `manifest-unknown`, or with an error that names the upstream if nothing is cached. */
  manifest(reference: Reference): MirroredManifest | Promise<MirroredManifest> {
    return this.cache.manifests.pull(this.from, reference);
  }

  /** Throws or rejects with `blob-unknown`, or with an error that names the upstream. */
  blob(digest: Digest): PulledBlob | Promise<PulledBlob> {
    const { services, blobs } = this.cache;
    return this.#orUpstream(
      () => pullBlob(services, this.from.permit, digest),
      () => blobs.pull(this.from, digest),
    );
  }

  /** Returns the size in bytes. Throws or rejects like `blob`. */
  blobSize(digest: Digest): number | Promise<number> {
    const { services, blobs } = this.cache;
    return this.#orUpstream(
      () => headBlob(services, this.from.permit, digest),
      () => blobs.size(this.from, digest),
    );
  }

  tags(): Promise<TagList> {
    return this.cache.lists.tags(this.from);
  }

  referrers(query: ReferrersQuery, signal: AbortSignal): Promise<Page<ListedReferrer>> {
    return this.cache.lists.referrers(this.from, query, signal);
  }

  /** Asks the upstream if the blob is not here. */
  #orUpstream<T>(here: () => T | Promise<T>, there: () => Promise<T>): T | Promise<T> {
    const hit = (blob: T) => {
      this.from.note("blob", "hit");
      return blob;
    };
    const found = here();
    if (!(found instanceof Promise)) return hit(found);
    return found.then(hit, (error: unknown) => {
      if (error instanceof RegistryError && error.kind === "blob-unknown") return there();
      throw error;
    });
  }
}
