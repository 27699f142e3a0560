/**
 * Removes objects that may be cached. A removal can fail halfway, for example if the unlink succeeded and the sync failed,
 * so caches must forget the object in any case.
 */
import type { Change, Hold } from "../cluster/cluster.js";
import type { Services } from "./services.js";

/**
 * Runs `removal` and publishes `change` before and after it, also if it fails. Before, so that readers ask the storage
 * meanwhile; after, because such a reader may have cached the old state again. Rejects with `cluster-unavailable` and
 * removes nothing if `hold` may have been lost.
 */
export async function removing<T>(
  { cluster: { changes } }: Services,
  hold: Hold,
  change: Change,
  removal: () => Promise<T>,
): Promise<T> {
  const told = changes.publish(change);
  if (told !== undefined) await told;
  hold.confirm();
  try {
    return await removal();
  } finally {
    await changes.publish(change);
  }
}
