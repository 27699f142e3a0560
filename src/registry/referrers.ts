/** Listing referrers (distribution-spec, end-12a and end-12b). */
import type { PullPermit } from "../auth/gate.js";
import type { Digest } from "../domain/digest.js";
import { manifestBytesMax } from "../domain/manifest.js";
import { firstOf, type Page } from "../domain/page.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Services } from "./services.js";

export interface ReferrersQuery {
  readonly subject: Digest;
  readonly artifactType: string | undefined;
  /** The page begins behind this one. */
  readonly after: Digest | undefined;
  /** Most of a page. */
  readonly n: number;
}

/** An entry of the list as text: made once, while others have their turn between one entry and the next. */
export interface ListedReferrer {
  readonly digest: Digest;
  readonly json: string;
}

/** A page is an index, and an index larger than a manifest may be is one that clients need not accept. */
const pageBytesMax = manifestBytesMax / 2;

/**
 * The manifests of the repository that name `subject`, which itself need not be there: an image that a
 * client attached by the referrers tag schema is among them, since it was listed when it was pushed.
 */
export function listReferrers(
  services: Services,
  { name }: PullPermit,
  query: ReferrersQuery,
  signal: AbortSignal,
): Promise<Page<ListedReferrer>> {
  let bytes = 0;
  return firstOf(
    matching(services, name, query, signal),
    (items, { json }) => {
      bytes += json.length;
      return items.length < query.n && (items.length === 0 || bytes <= pageBytesMax);
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
    // A crash may have left the entry of a manifest whose push was never acknowledged, or whose deletion was.
    if ((await services.storage.manifests.size(name, referrer.digest)) !== undefined)
      yield { digest: referrer.digest, json: JSON.stringify(referrer) };
  }
}
