/** Work on many things of which one may fail. */

/** Works on each item, one after another, also after one has failed. Rejects with the first failure at the end. */
export async function each<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  for (const item of items) {
    try {
      await work(item);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1)
    throw new Error(`${failures.length} failed, the first of them`, { cause: failures[0] });
}
