/** Decides which tags a repository keeps, by rules on patterns and the times of use. Pure. */
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";

/** Selects tags of repositories, both by pattern. */
export interface TagPattern {
  matches(name: RepositoryName, tag: Tag): boolean;
}

/** A tag is kept if any of these conditions holds. */
export interface RetentionRule {
  readonly pattern: TagPattern;
  /** Names the rule in reports. */
  readonly title: string;
  /** Number of tags to keep, the most recently pushed first. */
  readonly keepLast?: number | undefined;
  readonly pushedWithinSeconds?: number | undefined;
  readonly pulledWithinSeconds?: number | undefined;
}

export interface TagPolicy {
  /** Tags that are never moved or removed once they exist. */
  readonly immutable: readonly TagPattern[];
  /** The first rule that matches a tag applies. A tag without a matching rule is kept. */
  readonly retention: readonly RetentionRule[];
}

export const noTagPolicy: TagPolicy = { immutable: [], retention: [] };

/** Milliseconds since the epoch. */
export interface TagTimes {
  readonly pushedAt: number;
  readonly pulledAt: number | undefined;
}

export interface ExpiredTag {
  readonly tag: Tag;
  readonly rule: string;
  readonly why: string;
}

export function isImmutable(policy: TagPolicy, name: RepositoryName, tag: Tag): boolean {
  return policy.immutable.some((pattern) => pattern.matches(name, tag));
}

/** Returns the tags that no condition keeps, oldest push first. */
export function expiredTags(
  policy: TagPolicy,
  name: RepositoryName,
  tags: ReadonlyMap<Tag, TagTimes>,
  now: number,
): ExpiredTag[] {
  const byRule = new Map<RetentionRule, [Tag, TagTimes][]>();
  for (const entry of tags) {
    const [tag] = entry;
    if (isImmutable(policy, name, tag)) continue;
    const rule = policy.retention.find(({ pattern }) => pattern.matches(name, tag));
    if (rule === undefined) continue;
    const entries = byRule.get(rule);
    if (entries === undefined) byRule.set(rule, [entry]);
    else entries.push(entry);
  }
  return [...byRule].flatMap(([rule, entries]) => expiredBy(rule, entries, now));
}

function expiredBy(rule: RetentionRule, entries: [Tag, TagTimes][], now: number): ExpiredTag[] {
  const newestFirst = entries.sort(([a, first], [b, second]) =>
    first.pushedAt === second.pushedAt ? (a < b ? 1 : -1) : second.pushedAt - first.pushedAt,
  );
  return newestFirst
    .slice(rule.keepLast ?? 0)
    .filter(([, times]) => !isRecent(rule, times, now))
    .map(([tag, times]) => ({ tag, rule: rule.title, why: reason(rule, times, now) }))
    .reverse();
}

function isRecent(rule: RetentionRule, { pushedAt, pulledAt }: TagTimes, now: number): boolean {
  const within = (at: number | undefined, seconds: number | undefined) =>
    at !== undefined && seconds !== undefined && now - at <= seconds * 1000;
  return within(pushedAt, rule.pushedWithinSeconds) || within(pulledAt, rule.pulledWithinSeconds);
}

function reason(rule: RetentionRule, { pushedAt, pulledAt }: TagTimes, now: number): string {
  const reasons: string[] = [];
  if (rule.keepLast !== undefined) reasons.push(`not among the last ${rule.keepLast}`);
  if (rule.pushedWithinSeconds !== undefined) reasons.push(`pushed ${age(now - pushedAt)} ago`);
  if (rule.pulledWithinSeconds !== undefined)
    reasons.push(pulledAt === undefined ? "never pulled" : `last pulled ${age(now - pulledAt)} ago`);
  return reasons.join(", ");
}

const units = [
  ["days", 86_400],
  ["hours", 3600],
  ["minutes", 60],
] as const;

function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [unit, length] = units.find(([, length]) => seconds >= 2 * length) ?? ["seconds", 1];
  return `${Math.floor(seconds / length)} ${unit}`;
}
