/**
 * Invalidates caches around a change. A change can fail halfway, for example if the unlink succeeds and the sync fails, so a
 * cache must forget the object in either case.
 */

/**
 * Runs `change` and calls `forget` before and after it, also if it fails. Before, so that readers ask the storage meanwhile;
 * after, because such a reader may have cached the old state again.
 */
export async function forgetAround<T>(forget: () => void, change: () => Promise<T>): Promise<T> {
  forget();
  try {
    return await change();
  } finally {
    forget();
  }
}
