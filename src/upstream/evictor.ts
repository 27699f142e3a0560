/**
 * Bounds the cache: removes what nobody has pulled for its time, and the longest unused content while there is too much. One
 * node at a time does it. An estimate, which grows with each fetch, tells when to count again.
 */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "../registry/services.js";
import { type CachedContent, surveyCache } from "./cached-content.js";
import { evictAll } from "./evict-all.js";
import { type Eviction, type EvictionLimits, planEviction } from "./eviction-plan.js";
import type { NamedUpstream, UpstreamNames } from "./names.js";
import type { UseTimes } from "./use-times.js";

/** An upstream with the time for which its content stays. */
export interface KeepingUpstream extends NamedUpstream {
  readonly keptSeconds: number;
  /** Absent outside of a server. */
  readonly counts?: { evictedBytes: number };
}

export interface EvictorOptions {
  /** Maximum of cached bytes; `undefined` for no limit. */
  readonly bytesMax: number | undefined;
  /** Whether a client reads the content, or a fetch stores it. */
  readonly isHeld: (name: RepositoryName, digest: Digest) => boolean;
  readonly onError: (error: unknown) => void;
}

export interface EvictionOrders {
  /** By default the limit of the settings. */
  readonly bytesMax?: number | undefined;
  /** Replaces the times of the settings. */
  readonly keptSeconds?: number | undefined;
  /** By default all upstreams. */
  readonly names?: UpstreamNames<KeepingUpstream>;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface EvictionReport {
  readonly dryRun: boolean;
  readonly manifests: number;
  readonly blobs: number;
  readonly tags: number;
  /** Bytes of the evicted content. */
  readonly freedBytes: number;
  /** Bytes that stay. */
  readonly bytes: number;
  readonly evicted: readonly Pick<Eviction, "content" | "names" | "why">[];
}

/** Room to the limit after an eviction, so that not each fetch causes one. */
const roomShare = 0.05;

/** A survey takes this share of the time at most, if fetches keep the cache at its limit. */
const surveyShare = 0.1;

/** Clients follow a redirect to the store within this time. */
const redirectMilliseconds = 15 * 60_000;

export class Evictor {
  /** Bytes that are cached, as far as this node knows; `undefined` before the first count. */
  #estimate: number | undefined;
  #fetched = 0;
  #running: Promise<EvictionReport> | undefined;
  #notBefore = 0;
  #timer: NodeJS.Timeout | undefined;
  #making: Promise<boolean> | undefined;
  readonly #stopping = new AbortController();

  constructor(
    readonly services: Services,
    readonly names: UpstreamNames<KeepingUpstream>,
    readonly uses: UseTimes,
    readonly options: EvictorOptions,
  ) {}

  /** Call it after each fetch. Evicts in the background if there is too much. */
  added(bytes: number): void {
    this.#fetched += bytes;
    if (this.#estimate !== undefined) this.#estimate += bytes;
    const { bytesMax = Number.POSITIVE_INFINITY } = this.options;
    const isTooMuch = (this.#estimate ?? Number.POSITIVE_INFINITY) > bytesMax;
    if (!isTooMuch || this.#timer !== undefined || this.#stopping.signal.aborted) return;
    const wait = Math.max(0, this.#notBefore - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.run().catch(this.options.onError);
    }, wait).unref();
  }

  /** Evicts by the settings. A call during a run waits for that run. */
  run(): Promise<EvictionReport> {
    this.#running ??= this.evict({ signal: this.#stopping.signal }).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /**
   * Evicts the longest unused content until `bytes` more fit into the storage. Resolves with false, without evicting
   * anything, if even the whole cache would not do. Callers at the same time share one run.
   */
  makeRoom(bytes: number): Promise<boolean> {
    this.#making ??= this.#makeRoom(bytes).finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  async #makeRoom(bytes: number): Promise<boolean> {
    const { storage } = this.services;
    const free = (await storage.volume.space())?.freeBytes ?? 0;
    const { signal } = this.#stopping;
    const survey = await surveyCache(storage, this.names, signal);
    // A storage that is full although there is free space has another bound, such as a quota, which is unknown.
    const wanted = free < bytes ? bytes - free : Math.min(bytes, survey.bytes);
    if (survey.bytes < wanted || survey.bytes === 0) return false;
    const { freedBytes } = await this.evict({ bytesMax: survey.bytes - wanted, signal });
    return freedBytes > 0;
  }

  /** Ends the current run after its batch. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stopping.abort(new Error("the server is stopping"));
    await Promise.allSettled([this.#running, this.#making]);
  }

  /** Evicts what the orders say. Rejects if the storage fails, or with `cluster-unavailable`. */
  evict(orders: EvictionOrders): Promise<EvictionReport> {
    return this.services.cluster.maintenanceLocks.exclusive("evict", () => this.#evict(orders));
  }

  async #evict(orders: EvictionOrders): Promise<EvictionReport> {
    const { services, uses } = this;
    const { names = this.names, dryRun = false, signal } = orders;
    await uses.refresh(services.storage.notes);
    const begun = performance.now();
    const fetchedBefore = this.#fetched;
    const survey = await surveyCache(services.storage, names, signal);
    const planned = planEviction(
      survey.contents.map((content) => ({ ...content, lastUsedAt: uses.lastOf(content.digest) })),
      this.#limitsOf(orders, names),
      Date.now(),
      (content) => this.#isHeld(content),
    );
    const { evicted, tags } = dryRun
      ? { evicted: planned, tags: 0 }
      : await evictAll(services, planned, {
          objects: survey.objects,
          isUnused: (content, name) =>
            uses.lastOf(content.digest) <= content.lastUsedAt && !this.#isHeld({ ...content, names: [name] }),
          signal,
        });
    const freedBytes = evicted.reduce((sum, { freesBytes }) => sum + freesBytes, 0);
    const bytes = survey.bytes - freedBytes;
    const took = performance.now() - begun;
    this.#notBefore = performance.now() + took / surveyShare;
    if (!dryRun && names === this.names) this.#estimate = bytes + this.#fetched - fetchedBefore;
    const number = (kind: CachedContent["kind"]) =>
      evicted.reduce((sum, { content, names: { length } }) => sum + (content.kind === kind ? length : 0), 0);
    const report = {
      dryRun,
      manifests: number("manifest"),
      blobs: number("blob"),
      tags,
      freedBytes,
      bytes,
      evicted,
    };
    if (!dryRun) this.#count(evicted);
    return report;
  }

  /** Content that several upstreams shared counts for one of them. */
  #count(evicted: readonly Eviction[]): void {
    for (const { names, freesBytes } of evicted) {
      const counts = names[0] && this.names.ownerOf(names[0])?.upstream.counts;
      if (counts) counts.evictedBytes += freesBytes;
    }
  }

  #limitsOf(orders: EvictionOrders, names: UpstreamNames<KeepingUpstream>): EvictionLimits {
    const { bytesMax } = this.options;
    const limit = bytesMax === undefined ? undefined : { above: bytesMax, to: bytesMax * (1 - roomShare) };
    const ordered =
      orders.bytesMax === undefined ? undefined : { above: orders.bytesMax, to: orders.bytesMax };
    return {
      bytes: ordered ?? limit,
      keptMilliseconds: (name) =>
        (orders.keptSeconds ?? names.ownerOf(name)?.upstream.keptSeconds ?? 0) * 1000,
    };
  }

  #isHeld({ kind, names, digest }: Pick<CachedContent, "kind" | "names" | "digest">): boolean {
    if (names.some((name) => this.options.isHeld(name, digest))) return true;
    // A client may be following a redirect.
    const isRedirected = kind === "blob" && this.services.storage.blobs.url !== undefined;
    return isRedirected && Date.now() - this.uses.lastOf(digest) < redirectMilliseconds;
  }
}
