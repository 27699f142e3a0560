/**
 * Removing what may be cached. A removal can fail halfway, such as an unlink that worked and a sync that did not, so
 * caches must forget the object whatever becomes of it.
 */
import type { Change, Hold } from "../cluster/cluster.js";
import type { Services } from "./services.js";

/**
 * Runs `removal` and publishes `change` before and after it, also if it fails. Before, so that readers ask the storage
 * meanwhile; after, because such a reader may have cached the old state again. Rejects with `cluster-unavailable`
 * without having removed anything if `hold` is not certain any more.
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
