/**
 * Changes of what is cached. A change can fail halfway, such as an unlink that worked and a sync that did not, so
 * a cache must forget the object whatever becomes of the change.
 */

/**
 * Runs `change` and calls `forget` before and after it, also where the change fails. Before, so that readers ask
 * the storage meanwhile; after, because such a reader may have put the old state back.
 */
export async function forgetAround<T>(forget: () => void, change: () => Promise<T>): Promise<T> {
  forget();
  try {
    return await change();
  } finally {
    forget();
  }
}
