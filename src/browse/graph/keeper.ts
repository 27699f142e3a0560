/** What keeps a manifest from garbage collection, by the same rules: the tags from which it can be reached. */
import { referrersTagOf } from "../../domain/attachment-tag.js";
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";
import type { ManifestNode } from "./manifest-graph.js";
import type { KnownGraph } from "./manifest-graphs.js";

/** A tag that keeps a manifest. */
export interface Root {
  /** It points to the manifest, is about it by the referrers tag schema, or pointed to it before and a rule keeps that. */
  readonly kind: "tag" | "referrers-tag" | "earlier";
  readonly tag: Tag;
}

export type Keeper =
  | Root
  /** An index names it, or it refers to a manifest; that one is kept by the tag. */
  | { readonly kind: "index" | "subject"; readonly by: Digest; readonly tag: Tag }
  | { readonly kind: "nothing" }
  /** There are too many indexes and subjects to follow, or they are not all known. */
  | { readonly kind: "unknown" };

/** Manifests that are looked at for each answer, in a fraction of a millisecond. */
const looksMax = 200;

/** Searches from the manifest up to a tag. */
export function keeperOf(known: KnownGraph, node: ManifestNode): Keeper {
  const own = rootOf(known, node);
  if (own !== undefined) return own;
  const seen = new Set([node]);
  const waiting = stepsFrom(node).map((first) => ({ first, node: first.node }));
  for (const { first, node: next } of waiting) {
    if (seen.has(next)) continue;
    if (seen.add(next).size > looksMax) return { kind: "unknown" };
    const root = rootOf(known, next);
    if (root !== undefined) return { kind: first.kind, by: first.node.digest, tag: root.tag };
    for (const further of stepsFrom(next)) waiting.push({ first, node: further.node });
  }
  return { kind: known.omitted > 0 ? "unknown" : "nothing" };
}

function rootOf({ graph, earlier }: KnownGraph, { digest, tags }: ManifestNode): Root | undefined {
  const [tag] = tags;
  if (tag !== undefined) return { kind: "tag", tag };
  const about = referrersTagOf(digest);
  if (about !== undefined && graph.hasTag(about)) return { kind: "referrers-tag", tag: about };
  const before = earlier.get(digest);
  return before && { kind: "earlier", tag: before };
}

interface Step {
  readonly kind: "index" | "subject";
  readonly node: ManifestNode;
}

/** Returns the manifests that keep this one if they are kept. */
function stepsFrom({ indexes, subject }: ManifestNode): Step[] {
  const steps: Step[] = [];
  for (const node of indexes) {
    steps.push({ kind: "index", node });
    if (steps.length > looksMax) break;
  }
  if (subject?.isHere) steps.push({ kind: "subject", node: subject });
  return steps;
}
