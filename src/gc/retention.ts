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
  /** Number of targets that each tag had before, whose content garbage collection keeps. It keeps no tag. */
  readonly keepPrevious?: number | undefined;
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

/** What the policy says of a tag, whenever that was pushed or pulled: the rule that applies, if any. */
export type Ruling = "immutable" | "no-rule" | RetentionRule;

/** Costs microseconds, and does not change as long as the policy does not. */
export function rulingOf(policy: TagPolicy, name: RepositoryName, tag: Tag): Ruling {
  if (isImmutable(policy, name, tag)) return "immutable";
  const rule = ruleOf(policy, name, tag);
  return rule !== undefined && decidesTags(rule) ? rule : "no-rule";
}

function ruleOf(policy: TagPolicy, name: RepositoryName, tag: Tag): RetentionRule | undefined {
  return policy.retention.find(({ pattern }) => pattern.matches(name, tag));
}

/** Whether the rule says which tags are kept. A rule without such a condition keeps them all. */
function decidesTags({ keepLast, pushedWithinSeconds, pulledWithinSeconds }: RetentionRule): boolean {
  return keepLast !== undefined || pushedWithinSeconds !== undefined || pulledWithinSeconds !== undefined;
}

/** Returns the number of targets that the tag had before, whose content is kept. */
export function previousKept(policy: TagPolicy, name: RepositoryName, tag: Tag): number {
  return ruleOf(policy, name, tag)?.keepPrevious ?? 0;
}

/** How long a tag stays, if nothing is pushed or pulled any more. */
export type RemainingRetention =
  | { readonly kind: "immutable" | "no-rule" }
  /** It stays until enough newer tags of its rule were pushed. `place` is 1 for the newest. */
  | { readonly kind: "among-last"; readonly rule: string; readonly keepLast: number; readonly place: number }
  /** It expires then, in milliseconds since the epoch. */
  | { readonly kind: "until"; readonly rule: string; readonly at: number }
  | { readonly kind: "expired"; readonly rule: string; readonly why: string };

interface PushedTag {
  readonly tag: Tag;
  readonly pushedAt: number;
}

/** Orders tags by their push, the newest first. Of those pushed at the same time, the last by name comes first. */
export function compareByPush(a: PushedTag, b: PushedTag): number {
  return b.pushedAt - a.pushedAt || (a.tag < b.tag ? 1 : Number(a.tag > b.tag) * -1);
}

/** Tells how long each tag of a repository stays. */
export class Retention {
  /** How many tags of each rule have been passed. */
  readonly #passed = new Map<RetentionRule, number>();

  constructor(readonly now: number) {}

  /** Call this or `next` once for each tag with a time of its push, in the order of `compareByPush`. */
  pass(ruling: Ruling): void {
    if (typeof ruling !== "string") this.#passed.set(ruling, (this.#passed.get(ruling) ?? 0) + 1);
  }

  /** Like `pass`, and returns how long the tag stays. */
  next(ruling: Ruling, times: TagTimes): RemainingRetention {
    this.pass(ruling);
    if (typeof ruling === "string") return { kind: ruling };
    const place = this.#passed.get(ruling) ?? 0;
    const { title: rule, keepLast = 0 } = ruling;
    if (place <= keepLast) return { kind: "among-last", rule, keepLast, place };
    const at = keptUntil(ruling, times);
    return this.now <= at
      ? { kind: "until", rule, at }
      : { kind: "expired", rule, why: reason(ruling, times, this.now) };
  }
}

/** Returns the tags that no condition keeps, oldest push first. */
export function expiredTags(
  policy: TagPolicy,
  name: RepositoryName,
  tags: ReadonlyMap<Tag, TagTimes>,
  now: number,
): ExpiredTag[] {
  const retention = new Retention(now);
  const newestFirst = Array.from(tags, ([tag, times]) => ({ tag, ...times })).sort(compareByPush);
  return newestFirst
    .flatMap(({ tag, ...times }) => {
      const remaining = retention.next(rulingOf(policy, name, tag), times);
      return remaining.kind === "expired" ? [{ tag, rule: remaining.rule, why: remaining.why }] : [];
    })
    .reverse();
}

/** Returns the time until which the tag's last uses keep it, in milliseconds since the epoch. */
function keptUntil(rule: RetentionRule, { pushedAt, pulledAt }: TagTimes): number {
  const until = (at: number | undefined, seconds: number | undefined) =>
    at === undefined || seconds === undefined ? Number.NEGATIVE_INFINITY : at + seconds * 1000;
  return Math.max(until(pushedAt, rule.pushedWithinSeconds), until(pulledAt, rule.pulledWithinSeconds));
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
