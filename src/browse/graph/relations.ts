/** What pages show of how the manifests and tags of a repository relate to each other. */
import type { PullPermit } from "../../auth/gate.js";
import { cosignTagsOf } from "../../domain/attachment-tag.js";
import type { Some } from "../../domain/bounded.js";
import type { Digest } from "../../domain/digest.js";
import type { DescriptorDetails } from "../../domain/manifest-details.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Deadline } from "../../lib/deadline.js";
import { type Fate, fateIn } from "../../registry/deletion-preview.js";
import type { Services } from "../../registry/services.js";
import { tagsOf } from "../../registry/tags.js";
import type { ContentReader } from "../content/content-reader.js";
import { type Keeper, keeperOf } from "./keeper.js";
import type { FewItems, ManifestGraph, ManifestNode } from "./manifest-graph.js";
import type { FoundGraph, ManifestGraphs } from "./manifest-graphs.js";
import type { GraphProgress } from "./read-graph.js";

export interface UntaggedManifest {
  readonly digest: Digest;
  /** In milliseconds since the epoch. */
  readonly pushedAt: number | undefined;
  readonly keeper: Keeper;
}

export interface UntaggedPage {
  readonly manifests: readonly UntaggedManifest[];
  readonly page: number;
  readonly pages: number;
  /** Manifests without a tag. */
  readonly total: number;
  /** What happens to those that nothing keeps. */
  readonly fate: Fate;
}

export interface Extent {
  /** Manifests that are known. */
  readonly known: number;
  /** Further ones, which are too many to be read. */
  readonly omitted: number;
}

/** Something that is known of a repository, or why it is not. */
export interface Found<T> {
  /** Absent if it is not known yet, or if the repository has too many tags. */
  readonly value: T | undefined;
  readonly tooManyTags: boolean;
  /** Present if `value` is. */
  readonly extent: Extent | undefined;
  readonly progress: GraphProgress | undefined;
  /** Whether nothing is missing that could be known soon. */
  readonly complete: boolean;
}

export interface ContainingIndex {
  readonly digest: Digest;
  readonly tags: Some<Tag>;
  /** Its first entry for the manifest; absent if it is not known yet. */
  readonly entry: DescriptorDetails | undefined;
}

export interface RelatedManifests {
  /** Tags that point to the manifest. */
  readonly tags: Some<Tag>;
  /** Indexes that name it. */
  readonly indexes: Some<ContainingIndex>;
}

/** What is attached to a manifest, as far as a list shows it. */
export interface AttachedMarks {
  readonly signed: boolean;
  readonly sbom: boolean;
}

const indexesShownMax = 10;
const tagsShownMax = 10;
const indexTagsShownMax = 2;

/** Referrers of one manifest that are looked at. */
const referrersMax = 200;

export interface RelationsOptions {
  /** Seconds for which garbage collection keeps a manifest without a tag; `undefined` for ever. */
  readonly untaggedSeconds: number | undefined;
}

export class Relations {
  constructor(
    readonly services: Pick<Services, "storage" | "caches" | "isMirrored">,
    readonly graphs: ManifestGraphs,
    readonly reader: Pick<ContentReader, "read">,
    readonly options: RelationsOptions,
  ) {}

  /** Returns a page of the manifests without a tag, the last pushed ones first. Rejects with `name-unknown`. */
  async untagged(
    permit: PullPermit,
    query: { readonly page: number; readonly n: number },
    deadline: Deadline,
    client = "",
  ): Promise<Found<UntaggedPage>> {
    const { name } = permit;
    const tags = await deadline.half().within(tagsOf(this.services, permit));
    if (tags === undefined) return notYet;
    const found = await this.#find(name, deadline, client);
    const { known } = found;
    if (typeof known !== "object") return foundIn<UntaggedPage>(found, undefined);
    const pages = Math.max(1, Math.ceil(known.untagged.length / query.n));
    const page = Math.min(query.page, pages);
    const manifests = known.untagged
      .slice((page - 1) * query.n, page * query.n)
      // The list may be older than the last changes.
      .filter(isUntagged)
      .map((node) => ({ digest: node.digest, pushedAt: node.pushedAt, keeper: keeperOf(known, node) }));
    const fate = this.#fateIn(name, known.graph);
    return foundIn(found, { manifests, page, pages, total: known.untagged.length, fate });
  }

  /** Returns the tags of a manifest except `shown`, and the indexes that contain it. The repository must exist. */
  async of(
    { name }: PullPermit,
    { digest, shown }: { readonly digest: Digest; readonly shown: Tag | undefined },
    deadline: Deadline,
    client = "",
  ): Promise<Found<RelatedManifests>> {
    const found = await this.#find(name, deadline, client);
    if (typeof found.known !== "object") return foundIn<RelatedManifests>(found, undefined);
    const node = found.known.graph.node(digest);
    const nodes = firstOf(node?.indexes, indexesShownMax);
    const tags = firstOf(node?.tags, tagsShownMax, shown);
    const entries = await Promise.all(
      nodes.items.map((index) => this.#entryOf(name, index.digest, digest, deadline)),
    );
    const indexes = nodes.items.map((index, place) => ({
      digest: index.digest,
      tags: firstOf(index.tags, indexTagsShownMax),
      entry: entries[place]?.entry,
    }));
    const value = { tags, indexes: { items: indexes, total: nodes.total } };
    const complete = found.isCurrent && entries.every((entry) => entry !== undefined);
    return { ...foundIn(found, value), complete };
  }

  /** Resolves with `undefined` if the index has not been read by the deadline. */
  async #entryOf(
    name: RepositoryName,
    index: Digest,
    child: Digest,
    deadline: Deadline,
  ): Promise<{ readonly entry: DescriptorDetails | undefined } | undefined> {
    const answer = await this.reader.read("manifest", { name, digest: index, kind: "manifest" }, deadline);
    if (answer === undefined) return undefined;
    const { items } = "value" in answer ? answer.value.entries : { items: [] };
    return { entry: items.find(({ digest }) => digest === child) };
  }

  /** Returns what is attached to these manifests. The repository must exist. */
  async marks(
    { name }: PullPermit,
    digests: readonly Digest[],
    deadline: Deadline,
    client = "",
  ): Promise<Found<ListMarks>> {
    const found = await this.#find(name, deadline, client);
    if (typeof found.known !== "object") return foundIn<ListMarks>(found, undefined);
    const { graph } = found.known;
    const marks = new Map(digests.map((digest) => [digest, marksOf(graph, digest)]));
    return foundIn(found, { marks, attachmentTags: graph.attachmentTagCount });
  }

  async #find(name: RepositoryName, deadline: Deadline, client: string): Promise<FoundGraph> {
    const found = this.graphs.get(name, client);
    if (found.isCurrent) return found;
    await deadline.half().within(this.graphs.ended(name));
    return this.graphs.get(name, client);
  }

  #fateIn(name: RepositoryName, graph: ManifestGraph): Fate {
    const fate = fateIn(this.services, name, this.options.untaggedSeconds);
    return fate.kind === "collected" && graph.hasDamage ? { kind: "unreadable" } : fate;
  }
}

export interface ListMarks {
  readonly marks: ReadonlyMap<Digest, AttachedMarks>;
  /** Tags of the repository that are names of attachments. */
  readonly attachmentTags: number;
}

const notYet: Found<never> = {
  value: undefined,
  tooManyTags: false,
  extent: undefined,
  progress: undefined,
  complete: false,
};

function foundIn<T>({ known, progress, isCurrent }: FoundGraph, value: T | undefined): Found<T> {
  return {
    value,
    tooManyTags: known === "too-many-tags",
    extent:
      typeof known === "object" ? { known: known.graph.manifestCount, omitted: known.omitted } : undefined,
    progress,
    complete: isCurrent,
  };
}

function isUntagged({ isHere, tags }: ManifestNode): boolean {
  return isHere && tags.size === 0;
}

function marksOf(graph: ManifestGraph, digest: Digest): AttachedMarks {
  const { signature, sbom } = cosignTagsOf(digest);
  const kinds = new Set<ManifestNode["kind"]>();
  let seen = 0;
  for (const { kind } of graph.node(digest)?.referrers ?? []) {
    kinds.add(kind);
    if (++seen >= referrersMax) break;
  }
  return {
    signed: graph.hasTag(signature) || kinds.has("signature"),
    sbom: graph.hasTag(sbom) || kinds.has("sbom"),
  };
}

/** Returns the first items except `without`. */
function firstOf<T>(items: FewItems<T> | undefined, max: number, without?: T): Some<T> {
  const first: T[] = [];
  for (const item of items ?? []) {
    if (first.length >= max) break;
    if (item !== without) first.push(item);
  }
  const isWithout = without !== undefined && items?.has(without) === true;
  return { items: first, total: (items?.size ?? 0) - Number(isWithout) };
}
