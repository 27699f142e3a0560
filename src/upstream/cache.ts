/** The pull-through cache: what a request for a repository of an upstream gets. Pushed repositories never come here. */
import type { PullPermit } from "../auth/gate.js";
import type { TagList } from "../cache/tag-list.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import type { Page } from "../domain/page.js";
import type { Reference } from "../domain/reference.js";
import { noSpans } from "../lib/spans.js";
import { headBlob, type PulledBlob, pullBlob } from "../registry/pull-blob.js";
import type { ListedReferrer, ReferrersQuery } from "../registry/referrers.js";
import type { Services } from "../registry/services.js";
import { UpstreamBlobs } from "./blobs.js";
import { Evictor } from "./evictor.js";
import { HeldBlobs } from "./held-blobs.js";
import { UpstreamLists } from "./lists.js";
import { type MirroredManifest, UpstreamManifests } from "./manifests.js";
import { Mirrored } from "./mirrored.js";
import type { UpstreamNames } from "./names.js";
import type { Upstream } from "./upstream.js";
import type { UseTimes } from "./use-times.js";

export interface CacheOptions {
  /** How long the cache remembers that an upstream does not have something. */
  readonly absentMilliseconds: number;
  /** Called for failures of upstreams that no client sees. */
  readonly onBackgroundError: (error: unknown) => void;
  /** Limit of cached bytes; `undefined` for none. */
  readonly bytesMax: number | undefined;
  /** Limit of one blob. */
  readonly blobBytesMax: number;
  readonly uses: UseTimes;
  /** Called if a blob cannot be fetched. */
  readonly onFetchError: (error: RegistryError) => void;
  /** Called if an eviction fails. */
  readonly onEvictionError: (error: unknown) => void;
}

export class UpstreamCache {
  readonly blobs: UpstreamBlobs;
  readonly manifests: UpstreamManifests;
  readonly lists: UpstreamLists;
  readonly evictor: Evictor;
  readonly uses: UseTimes;
  readonly held = new HeldBlobs();

  constructor(
    readonly services: Services,
    readonly names: UpstreamNames<Upstream>,
    {
      absentMilliseconds,
      onBackgroundError,
      bytesMax,
      blobBytesMax,
      uses,
      onEvictionError,
      onFetchError,
    }: CacheOptions,
  ) {
    this.uses = uses;
    this.evictor = new Evictor(services, names, uses, {
      bytesMax,
      isHeld: (name, digest) => this.held.has(digest) || this.blobs.isFetching(name, digest),
      onError: onEvictionError,
    });
    this.blobs = new UpstreamBlobs(services, this.evictor, blobBytesMax, onFetchError, absentMilliseconds);
    this.manifests = new UpstreamManifests(services, this.evictor, absentMilliseconds, onBackgroundError);
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
    const { manifests, uses } = this.cache;
    return noting(manifests.pull(this.from, reference), ({ manifest }) => uses.note(manifest.digest));
  }

  /** Throws or rejects with `blob-unknown`, or with an error that names the upstream. */
  blob(digest: Digest, mayRedirect?: boolean): PulledBlob | Promise<PulledBlob> {
    const { services, blobs, held, uses } = this.cache;
    const found = this.#orUpstream(
      () => pullBlob(services, this.from.permit, digest, noSpans, mayRedirect),
      () => blobs.pull(this.from, digest, mayRedirect),
    );
    const pulled = found instanceof Promise ? held.during(digest, found) : found;
    return noting(pulled, () => uses.note(digest));
  }

  /** Resolves, when the blob is here, with whether it had to be fetched. Rejects like `blob`. */
  async ensureBlob(digest: Digest): Promise<boolean> {
    const { services, blobs, uses } = this.cache;
    const isHere = (await services.storage.blobs.size(this.from.permit.name, digest)) !== undefined;
    if (!isHere) await blobs.fetch(this.from, digest);
    uses.note(digest);
    return !isHere;
  }

  /** Returns the size in bytes. Throws or rejects like `blob`. */
  blobSize(digest: Digest): number | Promise<number> {
    const { services, blobs, uses } = this.cache;
    // A client that finds a blob here may not pull it, because it has the blob: that is a use, too.
    return this.#orUpstream(
      () => noting(headBlob(services, this.from.permit, digest), () => uses.note(digest)),
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

/** Calls `note` with what was found, now or when it is found, and returns it. */
function noting<T>(found: T | Promise<T>, note: (found: T) => void): T | Promise<T> {
  if (!(found instanceof Promise)) {
    note(found);
    return found;
  }
  return found.then((later) => {
    note(later);
    return later;
  });
}
