/**
 * Pages of a repository's tags, in any order, however many there are. When a repository is shown for the first time, its tags
 * may have to be read; until then a page has the order of the names.
 */
import type { PullPermit } from "../auth/gate.js";
import type { Digest } from "../domain/digest.js";
import type { Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { RemainingRetention } from "../gc/retention.js";
import type { Deadline } from "../lib/deadline.js";
import { LateResults } from "../lib/late-results.js";
import { Pieces } from "../lib/pieces.js";
import type { Slices } from "../lib/slices.js";
import type { Services } from "../registry/services.js";
import { tagsOf } from "../registry/tags.js";
import { RemainingOfSome } from "./remaining-of-some.js";
import { TagEntry, type TagTable } from "./tag-table.js";
import type { FoundTable, TagTables } from "./tag-tables.js";

export const tagOrders = ["newest", "oldest", "name", "version"] as const;

/** By the last push; by name in ASCII order; or by version, the highest first. */
export type TagOrder = (typeof tagOrders)[number];

/** Tags of a page. */
const pageTagsMax = 100;

export interface TagQuery {
  readonly order: TagOrder;
  /** Only tags that contain this text, in upper or lower case; `""` for all. */
  readonly filter: string;
  /** From 1 on. The last page is shown instead of a later one. */
  readonly page: number;
  /** Maximum tags of a page. */
  readonly n: number;
}

/** A field is undefined while it is unknown, or if the tag is damaged. */
export interface ListedTag {
  readonly tag: Tag;
  readonly digest: Digest | undefined;
  /** In milliseconds since the epoch. */
  readonly pushedAt: number | undefined;
  readonly pulledAt: number | "never" | undefined;
  readonly retention: RemainingRetention | undefined;
}

export interface TagPage {
  readonly tags: readonly ListedTag[];
  /** The order that the page has: `name` as long as the times are not known. */
  readonly order: TagOrder;
  readonly page: number;
  readonly pages: number;
  /** Tags of the repository; `undefined` if they are not known yet. */
  readonly total: number | undefined;
  /** Tags that contain the text of the filter. */
  readonly matching: number;
  /** Whether the repository has too many tags to sort them by time, or to say which of them a rule keeps. */
  readonly tooMany: boolean;
  /** Whether nothing is missing that can become known. Otherwise, ask again in a moment. */
  readonly complete: boolean;
}

export type TagIndexServices = Pick<Services, "storage" | "caches" | "pulls" | "rules">;

/** Something that was read when the tags had this version. */
interface ReadAt<T> {
  readonly value: T;
  readonly version: number | undefined;
}

/** What the reads of one page have in common. */
interface Reading {
  readonly name: RepositoryName;
  readonly version: number | undefined;
  readonly deadline: Deadline;
  readonly client: string;
}

export class TagIndex {
  readonly #late = new LateResults();

  constructor(
    readonly services: TagIndexServices,
    readonly tables: TagTables,
    readonly slices: Slices,
  ) {}

  /** Returns a page of the repository's tags. Rejects with `name-unknown`. */
  async page(permit: PullPermit, query: TagQuery, deadline: Deadline, client = ""): Promise<TagPage> {
    const { name, identity } = permit;
    const wanted = { ...query, n: Math.max(1, Math.min(query.n, pageTagsMax)) };
    const pieces = new Pieces(this.slices, identity.subject, deadline.signal);
    const { table, isCurrent, tooMany, version } = await this.#table(permit, deadline);
    const reading = { name, version, deadline, client };
    const sorted = table && (await this.#sorted(table, wanted.order, pieces, deadline));
    const place =
      sorted === undefined
        ? await this.#placeByName(permit, wanted, pieces, deadline)
        : { ...(await placeIn(sorted, wanted, pieces)), total: sorted.length, order: wanted.order };
    const read = table === undefined ? await this.#entries(reading, place.tags) : undefined;
    const entries = table?.some(place.tags) ?? read?.value;
    const [targets, retention] = await Promise.all([
      this.#digests(reading, place.tags, entries),
      this.#retention(name, entries, table, pieces, deadline),
    ]);
    const digests = targets.value;
    const tags = place.tags.map((tag) => this.#listed(name, tag, entries?.get(tag), digests, retention));
    const isWhole = place.tags.every((tag) => {
      const entry = entries?.get(tag);
      // A tag without a time is damaged, and nothing removes it.
      const isRuled = retention.has(tag) || entry?.pushedAt === 0 || tooMany;
      return entry !== undefined && digests.has(tag) && isRuled;
    });
    const { order, page, pages, total, matching } = place;
    const isSorted = sorted !== undefined && table?.isCurrent === true;
    const isListed = tooMany && total !== undefined;
    // What came late may be older than the last change.
    const isLast = version === targets.version && (read === undefined || version === read.version);
    const complete = isWhole && isCurrent && isLast && (isSorted || isListed);
    return { tags, order, page, pages, total, matching, tooMany, complete };
  }

  #listed(
    name: RepositoryName,
    tag: Tag,
    entry: TagEntry | undefined,
    digests: ReadonlyMap<Tag, Digest | undefined>,
    retention: ReadonlyMap<Tag, RemainingRetention>,
  ): ListedTag {
    const pulledAt = this.services.pulls.lastOf(name, tag) ?? entry?.pulledAt;
    return {
      tag,
      digest: digests.get(tag),
      pushedAt: entry?.pushedAt || undefined,
      pulledAt: pulledAt ?? (entry && "never"),
      retention: retention.get(tag),
    };
  }

  /** Waits for the table of a repository, so that a small one is complete the first time, but leaves time for the rest. */
  async #table(permit: PullPermit, deadline: Deadline): Promise<FoundTable | typeof unknownTable> {
    const { name } = permit;
    if (!this.tables.has(name)) {
      // Rejects for a repository that does not exist.
      const list = await deadline.half().within(tagsOf(this.services, permit));
      if (list === undefined) return unknownTable;
    }
    const found = this.tables.get(name);
    if (found.table !== undefined) return found;
    await deadline.half().within(this.tables.ended(name));
    return this.tables.get(name);
  }

  /** Returns the entries in the order of a page, perhaps without the last changes. */
  async #sorted(
    table: TagTable,
    order: TagOrder,
    pieces: Pieces,
    deadline: Deadline,
  ): Promise<readonly TagEntry[] | undefined> {
    const kept = order === "oldest" ? "newest" : order;
    const sorted = (await deadline.half().within(table.sorted(kept, pieces))) ?? table.known(kept);
    return order === "oldest" ? sorted?.toReversed() : sorted;
  }

  async #placeByName(permit: PullPermit, query: TagQuery, pieces: Pieces, deadline: Deadline) {
    const list = await deadline.within(tagsOf(this.services, permit));
    const tags = (list?.tags ?? []).map((tag) => ({ tag }));
    const place = await placeIn(tags, query, pieces);
    return { ...place, total: list?.tags.length, order: "name" as const };
  }

  /** Reads the times of the tags of a page. */
  #entries(
    { name, version, deadline, client }: Reading,
    tags: readonly Tag[],
  ): Promise<ReadAt<ReadonlyMap<Tag, TagEntry>> | undefined> {
    const read = async () => {
      const entries = new Map<Tag, TagEntry>();
      for await (const { tag, times } of this.services.storage.tags.times(name, tags))
        entries.set(tag, new TagEntry(tag, times?.pushedAt ?? 0, times?.pulledAt));
      return { value: entries, version };
    };
    return this.#late.within(`entries ${name} ${tags.join(" ")}`, deadline, read, client);
  }

  /** Returns the targets of the tags of a page, which are known or read. A damaged tag has none. */
  async #digests(
    { name, version, deadline, client }: Reading,
    tags: readonly Tag[],
    entries: ReadonlyMap<Tag, TagEntry> | undefined,
  ): Promise<ReadAt<ReadonlyMap<Tag, Digest | undefined>>> {
    const digests = new Map<Tag, Digest | undefined>();
    for (const tag of tags) {
      const known = entries?.get(tag)?.digest ?? this.services.caches.tags.get(`${name}:${tag}`);
      if (known !== undefined) digests.set(tag, known);
    }
    const missing = tags.filter((tag) => !digests.has(tag));
    if (missing.length === 0) return { value: digests, version };
    const read = async () => {
      const targets = new Map<Tag, Digest | undefined>();
      for await (const { tag, digest } of this.services.storage.tags.targets(name, missing)) {
        targets.set(tag, digest);
        const entry = entries?.get(tag);
        if (entry !== undefined) entry.digest = digest;
      }
      return { value: targets, version };
    };
    const key = `targets ${name} ${missing.join(" ")}`;
    const found = await this.#late.within(key, deadline, read, client);
    for (const [tag, digest] of found?.value ?? []) digests.set(tag, digest);
    return { value: digests, version: found === undefined ? version : found.version };
  }

  /** Returns how long the tags of a page stay, as far as that is known by the deadline. */
  async #retention(
    name: RepositoryName,
    entries: ReadonlyMap<Tag, TagEntry> | undefined,
    table: TagTable | undefined,
    pieces: Pieces,
    deadline: Deadline,
  ): Promise<ReadonlyMap<Tag, RemainingRetention>> {
    const { pulls, rules } = this.services;
    const remaining = new RemainingOfSome(rules.tagPolicy, name, (tag) => pulls.lastOf(name, tag));
    for (const entry of entries?.values() ?? []) remaining.add(entry);
    if (remaining.isIncomplete && table !== undefined)
      await deadline.within(remaining.complete(() => table.sorted("newest", pieces), pieces));
    return remaining.found;
  }
}

const unknownTable = { table: undefined, isCurrent: false, tooMany: false, version: undefined } as const;

interface PlaceAmongTags {
  readonly tags: readonly Tag[];
  readonly page: number;
  readonly pages: number;
  readonly matching: number;
}

/** Finds the tags of a page among all, in pieces. */
async function placeIn(
  sorted: readonly { readonly tag: Tag }[],
  { filter, page: wanted, n }: TagQuery,
  pieces: Pieces,
): Promise<PlaceAmongTags> {
  const text = filter.toLowerCase();
  const matching = text === "" ? sorted : await filtered(sorted, text, pieces);
  const pages = Math.max(1, Math.ceil(matching.length / n));
  const page = Math.max(1, Math.min(wanted, pages));
  const tags = matching.slice((page - 1) * n, page * n).map(({ tag }) => tag);
  return { tags, page, pages, matching: matching.length };
}

async function filtered<T extends { readonly tag: Tag }>(
  entries: readonly T[],
  text: string,
  pieces: Pieces,
): Promise<readonly T[]> {
  const found: T[] = [];
  await pieces.begin();
  for (const entry of entries) {
    if (pieces.step()) await pieces.begin();
    if (entry.tag.toLowerCase().includes(text)) found.push(entry);
  }
  return found;
}
