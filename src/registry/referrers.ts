/** Lists referrers (distribution-spec, end-12a and end-12b). */
import type { PullPermit } from "../auth/gate.js";
import type { Digest } from "../domain/digest.js";
import { manifestBytesMax } from "../domain/manifest.js";
import { firstOf, type Page } from "../domain/page.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

export interface ReferrersQuery {
  readonly subject: Digest;
  readonly artifactType: string | undefined;
  /** The page starts after this digest. */
  readonly after: Digest | undefined;
  /** Maximum entries of a page. */
  readonly n: number;
}

/** An entry of the list as JSON. It is serialized once, and other requests run between two entries. */
export interface ListedReferrer {
  readonly digest: Digest;
  readonly json: string;
}

/** A page is an index, and clients need not accept an index that is larger than a manifest may be. */
const pageBytesMax = manifestBytesMax / 2;

/**
 * Returns the manifests of the repository that name `subject`, which need not exist itself. Images attached by the referrers
 * tag schema are included, because they were listed when they were pushed.
 */
export function listReferrers(
  services: Services,
  { name }: PullPermit,
  query: ReferrersQuery,
  signal: AbortSignal,
): Promise<Page<ListedReferrer>> {
  return firstReferrers(matching(services, name, query, signal), query.n, signal);
}

/** Returns a page of the first `n` entries of a sorted list, or fewer if they are large. */
export function firstReferrers(
  sorted: AsyncIterable<ListedReferrer>,
  n: number,
  signal: AbortSignal,
): Promise<Page<ListedReferrer>> {
  let bytes = 0;
  return firstOf(
    sorted,
    (items, { json }) => {
      bytes += json.length;
      return items.length < n && (items.length === 0 || bytes <= pageBytesMax);
    },
    signal,
  );
}

async function* matching(
  services: Services,
  name: RepositoryName,
  query: ReferrersQuery,
  signal: AbortSignal,
): AsyncIterable<ListedReferrer> {
  const { subject, artifactType, after } = query;
  for await (const referrer of services.storage.referrers.list(name, subject, after)) {
    signal.throwIfAborted();
    if (artifactType !== undefined && referrer.artifactType !== artifactType) continue;
    // A crash may have left the entry of a manifest whose push was never acknowledged, or that was deleted.
    if ((await services.storage.manifests.size(name, referrer.digest)) !== undefined)
      yield { digest: referrer.digest, json: JSON.stringify(referrer) };
  }
}
