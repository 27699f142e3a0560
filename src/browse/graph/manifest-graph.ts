/** How the manifests of one repository refer to each other, and which tags point to them. In memory, without any reading. */
import type { ArtifactKind } from "../../domain/artifact-kind.js";
import { attachmentOf } from "../../domain/attachment-tag.js";
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";

/** A manifest, or a digest that another manifest or a tag names. */
export class ManifestNode {
  /** `damaged` if its bytes cannot be used; absent if the repository does not have it, or if it was not read. */
  kind: ArtifactKind | "damaged" | undefined;
  /** When it was first pushed, in milliseconds since the epoch; absent if that is not known. */
  pushedAt: number | undefined;
  /** The manifests of an index. */
  children: readonly ManifestNode[] = none;
  subject: ManifestNode | undefined;
  readonly #tags = new FewItems<Tag>();
  readonly #indexes = new FewItems<ManifestNode>();
  readonly #referrers = new FewItems<ManifestNode>();

  constructor(readonly digest: Digest) {}

  get isHere(): boolean {
    return this.kind !== undefined;
  }

  get tags(): FewItems<Tag> {
    return this.#tags;
  }

  /** Indexes that name it. */
  get indexes(): FewItems<ManifestNode> {
    return this.#indexes;
  }

  /** Manifests whose subject it is. */
  get referrers(): FewItems<ManifestNode> {
    return this.#referrers;
  }

  get isUnused(): boolean {
    return !this.isHere && this.#tags.size + this.#indexes.size + this.#referrers.size === 0;
  }
}

const none: readonly ManifestNode[] = [];

/** A set that takes no memory without items, as most of these. In order of arrival. */
export class FewItems<T> implements Iterable<T> {
  #items: Set<T> | undefined;

  get size(): number {
    return this.#items?.size ?? 0;
  }

  has(item: T): boolean {
    return this.#items?.has(item) === true;
  }

  add(item: T): void {
    this.#items ??= new Set();
    this.#items.add(item);
  }

  delete(item: T): void {
    this.#items?.delete(item);
    if (this.#items?.size === 0) this.#items = undefined;
  }

  [Symbol.iterator](): Iterator<T> {
    return (this.#items ?? new Set<T>())[Symbol.iterator]();
  }
}

/** What a manifest says of itself. */
export interface ManifestLinks {
  readonly kind: ArtifactKind | "damaged";
  readonly children: Iterable<Digest>;
  readonly subject: Digest | undefined;
}

export class ManifestGraph {
  readonly #nodes = new Map<Digest, ManifestNode>();
  /** Absent targets are those of damaged tags. */
  readonly #targets = new Map<Tag, ManifestNode | undefined>();
  #edges = 0;
  #manifests = 0;
  #damaged = 0;
  #damagedTags = 0;
  #attachmentTags = 0;

  /** Nodes, tags and references: about 250 bytes each. */
  get size(): number {
    return this.#nodes.size + this.#targets.size + this.#edges;
  }

  /** Manifests that were read. */
  get manifestCount(): number {
    return this.#manifests;
  }

  /** Whether a tag or manifest is damaged, so that nobody can tell which manifests are needed. */
  get hasDamage(): boolean {
    return this.#damaged + this.#damagedTags > 0;
  }

  /** Tags of cosign and of the referrers tag schema. */
  get attachmentTagCount(): number {
    return this.#attachmentTags;
  }

  get tagCount(): number {
    return this.#targets.size;
  }

  hasTag(tag: Tag): boolean {
    return this.#targets.has(tag);
  }

  /** Returns what a tag points to, if it is not damaged. */
  targetOf(tag: Tag): ManifestNode | undefined {
    return this.#targets.get(tag);
  }

  tags(): Iterable<Tag> {
    return this.#targets.keys();
  }

  nodes(): Iterable<ManifestNode> {
    return this.#nodes.values();
  }

  node(digest: Digest): ManifestNode | undefined {
    return this.#nodes.get(digest);
  }

  has(digest: Digest): boolean {
    return this.#nodes.get(digest)?.isHere === true;
  }

  /** Adds a manifest, or replaces one that was damaged. */
  add(digest: Digest, { kind, children, subject }: ManifestLinks, pushedAt: number | undefined): void {
    this.remove(digest);
    const node = this.#nodeOf(digest);
    node.kind = kind;
    node.pushedAt = pushedAt;
    this.#manifests++;
    if (kind === "damaged") this.#damaged++;
    const own = Array.from(new Set(children), (child) => this.#nodeOf(child));
    if (own.length > 0) node.children = own;
    for (const child of own) child.indexes.add(node);
    this.#edges += own.length;
    if (subject === undefined) return;
    node.subject = this.#nodeOf(subject);
    node.subject.referrers.add(node);
    this.#edges++;
  }

  /** Removes a manifest. Does nothing if it is missing. */
  remove(digest: Digest): void {
    const node = this.#nodes.get(digest);
    if (node === undefined || !node.isHere) return;
    this.#manifests--;
    if (node.kind === "damaged") this.#damaged--;
    node.kind = undefined;
    this.#edges -= node.children.length;
    for (const child of node.children) {
      child.indexes.delete(node);
      this.#dropUnused(child);
    }
    node.children = none;
    if (node.subject !== undefined) {
      this.#edges--;
      node.subject.referrers.delete(node);
      this.#dropUnused(node.subject);
      node.subject = undefined;
    }
    this.#dropUnused(node);
  }

  /** Notes that a tag points to a manifest; `undefined` for a damaged tag. */
  point(tag: Tag, digest: Digest | undefined): void {
    this.removeTag(tag);
    const node = digest && this.#nodeOf(digest);
    node?.tags.add(tag);
    this.#targets.set(tag, node);
    if (node === undefined) this.#damagedTags++;
    if (attachmentOf(tag) !== undefined) this.#attachmentTags++;
  }

  /** Does nothing if the tag is missing. */
  removeTag(tag: Tag): void {
    if (!this.#targets.has(tag)) return;
    const node = this.#targets.get(tag);
    this.#targets.delete(tag);
    if (node === undefined) this.#damagedTags--;
    if (attachmentOf(tag) !== undefined) this.#attachmentTags--;
    node?.tags.delete(tag);
    if (node !== undefined) this.#dropUnused(node);
  }

  #nodeOf(digest: Digest): ManifestNode {
    const known = this.#nodes.get(digest);
    if (known !== undefined) return known;
    const node = new ManifestNode(digest);
    this.#nodes.set(digest, node);
    return node;
  }

  #dropUnused(node: ManifestNode): void {
    if (node.isUnused) this.#nodes.delete(node.digest);
  }
}
