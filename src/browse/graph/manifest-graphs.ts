/**
 * The graphs of the repositories that were looked at last, within a bound on the memory of all of them. A graph is read in the
 * background when somebody looks at a page that needs it; from then on, a look reads what has changed.
 */
import type { Change, Changes, ChangesLost } from "../../cluster/cluster.js";
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { TagPolicy } from "../../gc/retention.js";
import { FairTurns } from "../../lib/fair-turns.js";
import type { Slices } from "../../lib/slices.js";
import { Turns } from "../../lib/turns.js";
import { withRulesOfNow } from "../../registry/services.js";
import { ManifestGraph, type ManifestNode } from "./manifest-graph.js";
import { Outdated } from "./outdated.js";
import {
  type GraphBounds,
  type GraphProgress,
  GraphReader,
  type GraphServices,
  type ReadResult,
} from "./read-graph.js";

export interface ManifestGraphsOptions {
  readonly slices: Slices;
  readonly onError: (error: unknown) => void;
  /** For tests. */
  readonly bounds?: Partial<GraphBounds>;
}

export interface KnownGraph {
  readonly graph: ManifestGraph;
  /** Manifests without a tag, the last pushed ones first. */
  readonly untagged: readonly ManifestNode[];
  /** What tags pointed to before and a retention rule keeps, each with one of the tags. */
  readonly earlier: ReadonlyMap<Digest, Tag>;
  /** Manifests that the graph does not have, because there are too many. */
  readonly omitted: number;
}

/** `tooManyTags`: nobody can tell here which manifests have none. */
export interface FoundGraph {
  readonly known: KnownGraph | "too-many-tags" | undefined;
  /** Whether nothing is missing that could be known soon. */
  readonly isCurrent: boolean;
  /** Present while many manifests are being read. */
  readonly progress: GraphProgress | undefined;
}

/** Of one repository. An object takes some 250 bytes. */
const defaultBounds: GraphBounds = { tagsMax: 50_000, manifestsMax: 50_000, objectsMax: 150_000 };

/** All graphs have at most as many objects as this many large ones. */
const largeGraphsMax = 2;

/** Repositories with few or no manifests take some memory, too. */
const graphsMax = 1_000;

/** Manifests that are read at the same time, for all graphs. */
const readsAtOnce = 8;

/** Graphs that are read at the same time, each in small parts, and those that wait for it. */
const graphsAtOnce = 16;
const graphsWaitingMax = 400;
const graphsWaitingPerClientMax = graphsWaitingMax / 2;

/** Objects added between two looks at the bound of all graphs. */
const objectsPerLook = 256;

/** A repository is listed again during this part of the time at most, and not more often than this. */
const listTimePart = 1 / 10;
const listMillisecondsMin = 1_000;

/** What an upstream's cache stores is published by nobody. */
const ageMillisecondsMax = 10 * 60_000;

/** Pause after the storage has failed. */
const retryMilliseconds = 5_000;

const never = Number.NEGATIVE_INFINITY;

class Kept {
  readonly outdated = new Outdated();
  graph = new ManifestGraph();
  known: KnownGraph | "too-many-tags" | undefined;
  /** The policy that says what `known.earlier` is. */
  ruledBy: TagPolicy | undefined;
  progress: GraphProgress | undefined;
  ended: Promise<void> | undefined;
  /** By the clock of `performance`. */
  readAt = never;
  listMilliseconds = 0;
  failedAt = never;

  /** Whether what is known is what these rules keep. */
  isRuledBy(policy: TagPolicy): boolean {
    return this.known === "too-many-tags" || this.ruledBy === policy;
  }

  /** Whether to read now. A repository that is pushed to all the time is not listed all the time. */
  isDue(policy: TagPolicy): boolean {
    const now = performance.now();
    const age = now - this.readAt;
    if (now - this.failedAt < retryMilliseconds) return false;
    if (age > ageMillisecondsMax) return true;
    if (!this.isRuledBy(policy)) return true;
    if (this.known === "too-many-tags" || this.outdated.isNothing) return false;
    const pause = Math.max(listMillisecondsMin, this.listMilliseconds / listTimePart);
    return !this.outdated.needsListing || age > pause;
  }
}

export class ManifestGraphs {
  /** The one that was used last comes last. */
  readonly #kept = new Map<RepositoryName, Kept>();
  readonly #turns = new Turns(readsAtOnce);
  readonly #graphTurns = new FairTurns(graphsAtOnce, graphsWaitingMax, graphsWaitingPerClientMax);
  readonly #bounds: GraphBounds;
  readonly #unsubscribe: () => void;
  readonly #closing = new AbortController();

  constructor(
    readonly services: GraphServices,
    readonly changes: Pick<Changes, "subscribe" | "knows">,
    readonly options: ManifestGraphsOptions,
  ) {
    this.#bounds = { ...defaultBounds, ...options.bounds };
    this.#unsubscribe = changes.subscribe((change) => {
      this.#follow(change);
      return undefined;
    });
  }

  /** Returns what is known of the repository, and begins to read what is not. The repository must exist. */
  get(name: RepositoryName, client = ""): FoundGraph {
    const kept = this.#kept.get(name) ?? new Kept();
    this.#kept.delete(name);
    this.#kept.set(name, kept);
    this.#bound();
    const { tagPolicy } = this.services.rules;
    if (kept.ended === undefined && kept.isDue(tagPolicy) && !this.#closing.signal.aborted)
      kept.ended = this.#read(name, kept, client).finally(() => {
        kept.ended = undefined;
        kept.progress = undefined;
      });
    const { known, progress, outdated, ended } = kept;
    const isWhole =
      known === "too-many-tags" || (known !== undefined && outdated.isNothing && ended === undefined);
    const isCurrent =
      isWhole && kept.isRuledBy(tagPolicy) && this.changes.knows("tags") && this.changes.knows("content");
    return { known, isCurrent, progress };
  }

  /** Resolves when the reading of the graph, if any, has ended. Never rejects. */
  async ended(name: RepositoryName): Promise<void> {
    await this.#kept.get(name)?.ended;
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("the server stops"));
    this.#unsubscribe();
    await Promise.all(Array.from(this.#kept.values(), ({ ended }) => ended));
  }

  async #read(name: RepositoryName, kept: Kept, client: string): Promise<void> {
    if (!(await this.#graphTurns.begin(client))) return;
    try {
      if (this.#isWanted(name, kept)) await this.#readInTurn(name, kept);
    } catch (error) {
      kept.failedAt = performance.now();
      kept.outdated.noteAll();
      if (this.#isWanted(name, kept)) this.options.onError(error);
    } finally {
      this.#graphTurns.end();
    }
  }

  async #readInTurn(name: RepositoryName, kept: Kept): Promise<void> {
    if (performance.now() - kept.readAt > ageMillisecondsMax) kept.outdated.noteAll();
    const due = kept.outdated.take();
    const services = withRulesOfNow(this.services);
    const reader = new GraphReader(services, name, kept.graph, {
      slices: this.options.slices,
      turns: this.#turns,
      signal: this.#closing.signal,
      bounds: this.#bounds,
      onAdded: this.#watch(name, kept),
      onProgress: (progress) => {
        kept.progress = progress;
      },
    });
    const result = await reader.read(due);
    kept.known = await this.#knownOf(kept, reader, result);
    kept.ruledBy = services.rules.tagPolicy;
    if (result === undefined) return;
    kept.readAt = performance.now();
    kept.listMilliseconds = result.listMilliseconds;
  }

  #isWanted(name: RepositoryName, kept: Kept): boolean {
    return this.#kept.get(name) === kept && !this.#closing.signal.aborted;
  }

  async #knownOf(
    kept: Kept,
    reader: GraphReader,
    result: ReadResult | undefined,
  ): Promise<KnownGraph | "too-many-tags"> {
    if (result?.tooManyTags) {
      kept.graph = new ManifestGraph();
      return "too-many-tags";
    }
    const before = kept.known === "too-many-tags" ? undefined : kept.known;
    const omitted = result?.omitted ?? before?.omitted ?? 0;
    const { graph } = kept;
    return { graph, untagged: await reader.untagged(), earlier: await reader.earlier(), omitted };
  }

  /** Returns a function that is called for each object that is added to a graph. */
  #watch(name: RepositoryName, kept: Kept): () => void {
    let added = 0;
    return () => {
      if (++added % objectsPerLook !== 0) return;
      this.#bound();
      if (!this.#isWanted(name, kept)) throw new Error("the graph was dropped");
    };
  }

  /** Drops graphs that were not used for the longest time. */
  #bound(): void {
    let objects = 0;
    for (const { graph } of this.#kept.values()) objects += graph.size;
    for (const [name, { graph }] of this.#kept) {
      const isSmall = objects <= largeGraphsMax * this.#bounds.objectsMax;
      if ((isSmall && this.#kept.size <= graphsMax) || this.#kept.size === 1) return;
      this.#kept.delete(name);
      objects -= graph.size;
    }
  }

  #follow(change: Change | ChangesLost): void {
    switch (change.kind) {
      case "tag-pointed":
      case "tag-removed":
      case "tag-unsure":
        this.#kept.get(change.name)?.outdated.noteTag(change.tag);
        return;
      case "pushed-untagged":
        this.#kept.get(change.name)?.outdated.notePush();
        return;
      case "manifest-deleted":
      case "condemned":
        this.#noteRemoval(change.name, change.digest);
        return;
      case "repository-emptied":
        this.#kept.delete(change.name);
        return;
      case "lost":
        for (const { outdated } of this.#kept.values()) outdated.noteAll();
    }
  }

  /** Most of what is condemned are blobs. */
  #noteRemoval(name: RepositoryName, digest: Digest): void {
    const kept = this.#kept.get(name);
    if (kept !== undefined && (kept.graph.has(digest) || kept.ended !== undefined))
      kept.outdated.noteRemoval(digest);
  }
}
