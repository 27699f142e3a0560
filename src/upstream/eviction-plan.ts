/** Decides what is evicted. Knows no storage and no clock. */
import type { RepositoryName } from "../domain/repository-name.js";
import type { CachedContent } from "./cached-content.js";

export interface EvictionLimits {
  /** If there are more bytes than `above`, they are reduced to `to`. */
  readonly bytes: { readonly above: number; readonly to: number } | undefined;
  /** Time for which content of a repository stays after its last use, in milliseconds; 0 for any time. */
  keptMilliseconds(name: RepositoryName): number;
}

export interface UsedContent extends CachedContent {
  /** Milliseconds since the epoch. */
  readonly lastUsedAt: number;
}

/** A content to be removed from some of its repositories. */
export interface Eviction {
  readonly content: UsedContent;
  readonly names: readonly RepositoryName[];
  /** 0 if it stays in other repositories. */
  readonly freesBytes: number;
  readonly why: "unused" | "limit";
}

/** Returns the evictions, those of the longest unused content first. `isHeld` tells what must stay now. */
export function planEviction(
  contents: readonly UsedContent[],
  limits: EvictionLimits,
  now: number,
  isHeld: (content: CachedContent) => boolean,
): Eviction[] {
  const evictions: Eviction[] = [];
  const remaining: UsedContent[] = [];
  /** What some of its upstreams no longer keep. */
  const partly = new Map<UsedContent, readonly RepositoryName[]>();
  let bytes = 0;
  for (const content of contents.toSorted((a, b) => a.lastUsedAt - b.lastUsedAt)) {
    const names = content.names.filter((name) => {
      const kept = limits.keptMilliseconds(name);
      return kept > 0 && content.lastUsedAt + kept <= now;
    });
    const isWhole = names.length === content.names.length;
    if (isWhole && !isHeld(content)) {
      evictions.push({ content, names, freesBytes: content.bytes, why: "unused" });
      continue;
    }
    if (names.length > 0 && !isHeld(content)) partly.set(content, names);
    bytes += content.bytes;
    remaining.push(content);
  }
  const { above, to } = limits.bytes ?? { above: Number.POSITIVE_INFINITY, to: Number.POSITIVE_INFINITY };
  for (const content of bytes > above ? remaining : []) {
    if (bytes <= to) break;
    // What a pushed repository shares frees nothing.
    if (content.bytes === 0 || isHeld(content)) continue;
    partly.delete(content);
    evictions.push({ content, names: content.names, freesBytes: content.bytes, why: "limit" });
    bytes -= content.bytes;
  }
  for (const [content, names] of partly) evictions.push({ content, names, freesBytes: 0, why: "unused" });
  return evictions;
}
