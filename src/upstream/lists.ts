/** Tags and referrers of upstream registries, merged with those that are here. */
import type { PullPermit } from "../auth/gate.js";
import { TagList } from "../cache/tag-list.js";
import { isObject } from "../domain/descriptor.js";
import { type Digest, isDigest } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import { manifestBytesMax } from "../domain/manifest.js";
import type { Page } from "../domain/page.js";
import { isTag, type Tag } from "../domain/reference.js";
import {
  firstReferrers,
  type ListedReferrer,
  listReferrers,
  type ReferrersQuery,
} from "../registry/referrers.js";
import type { Services } from "../registry/services.js";
import { tagsOf } from "../registry/tags.js";
import { entriesOf } from "../transfer/remote/pages.js";
import { SourceError } from "../transfer/source.js";
import { BriefAnswers } from "./brief.js";
import { isAbsent } from "./failure.js";
import type { Mirrored } from "./mirrored.js";

/** A list is kept whole. Docker Hub's largest repositories have some 10,000 tags. */
const tagsBounds = { pageBytesMax: 4 * 1024 * 1024, entriesMax: 100_000 };
/** Of one subject, at the upstream and here. */
const referrersBounds = { pageBytesMax: manifestBytesMax, entriesMax: 1_000 };
const entriesPerPage = 1000;
/** JSON of one entry; a longer one is left out. */
const entryCharactersMax = 64 * 1024;

export class UpstreamLists {
  readonly #tags: BriefAnswers<TagList>;
  readonly #referrers: BriefAnswers<readonly ListedReferrer[]>;

  constructor(
    readonly services: Services,
    milliseconds: number,
    readonly onBackgroundError: (error: unknown) => void,
  ) {
    this.#tags = new BriefAnswers(milliseconds, 100);
    this.#referrers = new BriefAnswers(milliseconds, 1000);
  }

  /** Resolves with the tags of both. If the upstream fails, with those here. Rejects with `name-unknown` if there are none. */
  async tags(from: Mirrored): Promise<TagList> {
    const there = await this.#orNothing(from, () => this.#tags.get(from.permit.name, () => fetchTags(from)));
    const here = await tagsOf(this.services, from.permit).catch((error: unknown) => {
      if (there === undefined || !isUnknownName(error)) throw error;
      return undefined;
    });
    if (there === undefined || there.tags.length === 0) return here ?? unknownName(from.permit);
    if (here === undefined || here.tags.length === 0) return there;
    return TagList.of([...new Set([...there.tags, ...here.tags])].toSorted());
  }

  /** Resolves with a page of the referrers of both, in order of digest. */
  async referrers(from: Mirrored, query: ReferrersQuery, signal: AbortSignal): Promise<Page<ListedReferrer>> {
    const { permit } = from;
    const key = `${permit.name}@${query.subject}`;
    const there = await this.#orNothing(from, () =>
      this.#referrers.get(key, () => fetchReferrers(from, query.subject)),
    );
    if (there === undefined || there.length === 0) return listReferrers(this.services, permit, query, signal);
    const all = { ...query, after: undefined, n: referrersBounds.entriesMax };
    const here = await listReferrers(this.services, permit, all, signal);
    const merged = new Map([...there, ...here.items].map((one) => [one.digest, one]));
    return firstReferrers(matching([...merged.values()].toSorted(byDigest), query), query.n, signal);
  }

  /** Resolves with `undefined` if the upstream fails, or was found to fail recently. */
  async #orNothing<T>({ upstream }: Mirrored, ask: () => Promise<T>): Promise<T | undefined> {
    if (upstream.isPaused) return undefined;
    return ask().catch((error: unknown) => {
      this.onBackgroundError(error);
      return undefined;
    });
  }
}

function byDigest(a: ListedReferrer, b: ListedReferrer): number {
  return a.digest < b.digest ? -1 : Number(a.digest > b.digest);
}

async function* matching(
  referrers: readonly ListedReferrer[],
  { after, artifactType }: ReferrersQuery,
): AsyncIterable<ListedReferrer> {
  for (const referrer of referrers) {
    if (after !== undefined && referrer.digest <= after) continue;
    if (artifactType === undefined || typeOf(referrer.json) === artifactType) yield referrer;
  }
}

function typeOf(json: string): unknown {
  return (JSON.parse(json) as { artifactType?: unknown }).artifactType;
}

async function fetchTags(from: Mirrored): Promise<TagList> {
  const { upstream, remote: repository } = from;
  const path = `/v2/${repository}/tags/list?n=${entriesPerPage}`;
  const found = await upstream.ask(upstream.times.answer, async (late) => {
    const tags = new Set<Tag>();
    const entries = entriesOf(upstream.client, repository, path, "tags", tagsBounds, {}, late);
    for await (const tag of entries) if (typeof tag === "string" && isTag(tag)) tags.add(tag);
    return tags;
  });
  return TagList.of([...(found ?? [])].toSorted());
}

/** By the API, or by the referrers tag schema if the upstream does not have the API (distribution-spec, "Listing Referrers"). */
async function fetchReferrers(from: Mirrored, subject: Digest): Promise<ListedReferrer[]> {
  const { upstream, remote: repository } = from;
  const found = await upstream.ask(upstream.times.answer, async (late) => {
    try {
      return await read(`/v2/${repository}/referrers/${subject}`, late);
    } catch (error) {
      if (!isAbsent(error)) throw error;
      return read(`/v2/${repository}/manifests/${subject.replace(":", "-")}`, late);
    }
  });
  return found ?? [];

  async function read(path: string, late: AbortSignal): Promise<ListedReferrer[]> {
    const referrers: ListedReferrer[] = [];
    const headers = { Accept: "application/vnd.oci.image.index.v1+json" };
    const entries = entriesOf(upstream.client, repository, path, "manifests", referrersBounds, headers, late);
    for await (const entry of entries) {
      const digest = isObject(entry) ? String(entry.digest) : "";
      const json = JSON.stringify(entry);
      if (!isDigest(digest)) throw new SourceError(`${path} lists an entry without a digest`);
      if (json.length <= entryCharactersMax) referrers.push({ digest, json });
    }
    return referrers;
  }
}

function isUnknownName(error: unknown): boolean {
  return error instanceof RegistryError && error.kind === "name-unknown";
}

function unknownName({ name }: PullPermit): never {
  throw new RegistryError("name-unknown", "neither this registry nor the upstream has such a repository", {
    name,
  });
}
