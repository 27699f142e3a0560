/**
 * Reads the stale parts of a graph. Each manifest is read once while the graph is kept, because its bytes never change; a
 * listing finds new ones. Works in slices with few concurrent reads, so that pulls do not wait.
 */
import { artifactKindOf, bundleAnnotations } from "../../domain/artifact-kind.js";
import type { Digest } from "../../domain/digest.js";
import type { Manifest } from "../../domain/manifest.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { previousKept } from "../../gc/retention.js";
import { inParallel } from "../../lib/in-parallel.js";
import { Pieces, sortedInPieces } from "../../lib/pieces.js";
import type { Slices } from "../../lib/slices.js";
import type { Turns } from "../../lib/turns.js";
import { earlierTargets } from "../../registry/kept-manifests.js";
import type { Services } from "../../registry/services.js";
import type { ManifestGraph, ManifestLinks, ManifestNode } from "./manifest-graph.js";
import type { Due } from "./outdated.js";

export type GraphServices = Pick<Services, "storage" | "caches" | "manifestReader" | "rules">;

export interface GraphReadOptions {
  readonly slices: Slices;
  /** Of all graphs together. */
  readonly turns: Turns;
  readonly signal: AbortSignal;
  readonly bounds: GraphBounds;
  /** Called for each tag and manifest that is added. Throws if nobody wants the graph any more. */
  readonly onAdded: () => void;
  readonly onProgress: (progress: GraphProgress) => void;
}

/** Of one repository. */
export interface GraphBounds {
  readonly tagsMax: number;
  readonly manifestsMax: number;
  /** Tags, manifests and references. */
  readonly objectsMax: number;
}

export interface GraphProgress {
  /** Manifests that were read, of all that have to be. */
  readonly read: number;
  readonly total: number;
}

export interface ReadResult {
  /** Time that the list of the manifests took. */
  readonly listMilliseconds: number;
  /** Manifests that were left out because there are too many. */
  readonly omitted: number;
  /** Whether there are too many tags to know which manifests have none. */
  readonly tooManyTags: boolean;
}

/** Manifests of one repository that are read or wait for their turn. */
const readsAtOnce = 8;

export class GraphReader {
  readonly #pieces: Pieces;
  #read = 0;

  constructor(
    readonly services: GraphServices,
    readonly name: RepositoryName,
    readonly graph: ManifestGraph,
    readonly options: GraphReadOptions,
  ) {
    this.#pieces = new Pieces(options.slices, `graph ${name}`, options.signal);
  }

  /** Resolves with `undefined` if the manifests were not listed. */
  async read({ tags, manifests, removed }: Due): Promise<ReadResult | undefined> {
    if (!(await this.#readTags(tags))) return { listMilliseconds: 0, omitted: 0, tooManyTags: true };
    if (manifests) return this.#readListed();
    const { graph } = this;
    const targets = tags === "all" ? [] : Array.from(tags, (tag) => graph.targetOf(tag)?.digest);
    const wanted = targets.filter((digest) => digest !== undefined && !graph.has(digest)) as Digest[];
    // A removal may have failed, so that the manifest is still here.
    for (const digest of removed) {
      graph.remove(digest);
      wanted.push(digest);
    }
    await this.#readManifests([...new Set(wanted)]);
    return undefined;
  }

  /** Returns what tags pointed to before and a retention rule keeps, each with one of the tags. */
  async earlier(): Promise<ReadonlyMap<Digest, Tag>> {
    const { graph, name, services } = this;
    const found = new Map<Digest, Tag>();
    const moving = new Map<Tag, Digest>();
    await this.#pieces.begin();
    for (const tag of graph.tags()) {
      if (this.#pieces.step()) await this.#pieces.begin();
      const digest = graph.targetOf(tag)?.digest;
      if (digest !== undefined && previousKept(services.rules.tagPolicy, name, tag) > 0)
        moving.set(tag, digest);
    }
    if (moving.size > 0)
      for await (const { tag, digest } of earlierTargets(services, name, moving)) found.set(digest, tag);
    return found;
  }

  /** Returns the manifests without a tag, the last pushed ones first. */
  async untagged(): Promise<readonly ManifestNode[]> {
    await this.#pieces.begin();
    const found: ManifestNode[] = [];
    for (const node of this.graph.nodes()) {
      if (this.#pieces.step()) await this.#pieces.begin();
      if (node.isHere && node.tags.size === 0) found.push(node);
    }
    return sortedInPieces(found, newestFirst, this.#pieces);
  }

  /** Resolves with false if there are too many. */
  async #readTags(tags: Due["tags"]): Promise<boolean> {
    const { storage } = this.services;
    const { graph } = this;
    if (tags !== "all" && tags.size === 0) return true;
    const gone = new Set<Tag>(tags === "all" ? graph.tags() : tags);
    for await (const { tag, digest } of storage.tags.targets(
      this.name,
      tags === "all" ? undefined : [...tags],
    )) {
      this.options.signal.throwIfAborted();
      graph.point(tag, digest);
      gone.delete(tag);
      this.options.onAdded();
      if (graph.tagCount > this.options.bounds.tagsMax) return false;
    }
    await this.#pieces.begin();
    for (const tag of gone) {
      if (this.#pieces.step()) await this.#pieces.begin();
      graph.removeTag(tag);
    }
    return true;
  }

  async #readListed(): Promise<ReadResult> {
    const begin = performance.now();
    const listed = new Set(await this.services.storage.manifests.list(this.name));
    const listMilliseconds = performance.now() - begin;
    const { graph } = this;
    await this.#pieces.begin();
    const gone: Digest[] = [];
    for (const { digest, kind } of graph.nodes()) {
      if (this.#pieces.step()) await this.#pieces.begin();
      // A push may have replaced damaged bytes.
      if (kind === "damaged" || (kind !== undefined && !listed.has(digest))) gone.push(digest);
    }
    for (const digest of gone) {
      if (this.#pieces.step()) await this.#pieces.begin();
      graph.remove(digest);
    }
    const wanted: Digest[] = [];
    for (const digest of listed) {
      if (this.#pieces.step()) await this.#pieces.begin();
      if (!graph.has(digest)) wanted.push(digest);
    }
    await this.#readManifests(wanted);
    const omitted = Math.max(0, listed.size - graph.manifestCount);
    return { listMilliseconds, omitted, tooManyTags: false };
  }

  /** Reads manifests, the last pushed ones first, as long as there is room. */
  async #readManifests(digests: readonly Digest[]): Promise<void> {
    const found: { readonly digest: Digest; readonly pushedAt: number | undefined }[] = [];
    if (digests.length > 0)
      for await (const pushedAt of this.services.storage.manifests.pushedAt(this.name, digests)) {
        const digest = digests[found.length];
        if (digest !== undefined) found.push({ digest, pushedAt });
      }
    await this.#pieces.begin();
    const wanted = await sortedInPieces(found, newestFirst, this.#pieces);
    const { manifestsMax, objectsMax } = this.options.bounds;
    let room = manifestsMax - this.graph.manifestCount;
    await inParallel(wanted, readsAtOnce, async ({ digest, pushedAt }) => {
      if (room <= 0 || this.graph.size >= objectsMax) return;
      room--;
      await this.#readManifest(digest, pushedAt);
      this.options.onAdded();
      this.options.onProgress({ read: ++this.#read, total: wanted.length });
    });
  }

  async #readManifest(digest: Digest, pushedAt: number | undefined): Promise<void> {
    const { storage, caches, manifestReader } = this.services;
    const { turns, slices, signal } = this.options;
    signal.throwIfAborted();
    await turns.begin();
    try {
      const cached = caches.manifests.get(`${this.name}@${digest}`)?.bytes;
      const bytes = cached ?? (await storage.manifests.read(this.name, digest));
      if (bytes === undefined) return;
      // Parsing takes up to 5 ms.
      await slices.next(`graph ${this.name}`, signal);
      const manifest = bytes === "unreadable" ? undefined : await manifestReader.stored(bytes, digest);
      this.graph.add(digest, manifest === undefined ? damaged : linksOf(manifest), pushedAt);
    } finally {
      turns.end();
    }
  }
}

const damaged: ManifestLinks = { kind: "damaged", children: [], subject: undefined };

function linksOf(manifest: Manifest): ManifestLinks {
  const { kind, artifactType, blobs, named, subject, annotations } = manifest;
  const [config, ...layers] = blobs;
  return {
    kind: artifactKindOf({
      kind,
      artifactType,
      configMediaType: config?.mediaType,
      entryMediaTypes: (kind === "index" ? manifest.children : layers).map(({ mediaType }) => mediaType),
      annotations: new Map(
        bundleAnnotations.flatMap((name) =>
          annotations?.[name] === undefined ? [] : [[name, annotations[name]]],
        ),
      ),
    }),
    children: kind === "index" ? named : [],
    subject: subject?.digest,
  };
}

interface Pushed {
  readonly digest: Digest;
  readonly pushedAt: number | undefined;
}

function newestFirst(a: Pushed, b: Pushed): number {
  return (b.pushedAt ?? 0) - (a.pushedAt ?? 0) || (a.digest < b.digest ? -1 : 1);
}
