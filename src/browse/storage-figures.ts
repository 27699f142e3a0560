/** The figures of `gantry stats`, for a page. */
import { sortedInTurns } from "../lib/sorted-in-turns.js";
import type { Services } from "../registry/services.js";
import { gatherStats, type RegistryStats, type RepositoryStats } from "../registry/stats.js";
import type { Space } from "../storage/storage.js";

export interface StorageFigures extends Omit<RegistryStats, "repositories"> {
  /** The repositories, largest first. */
  readonly largest: readonly RepositoryStats[];
  /** Absent if the storage has no limit, or does not report it. */
  readonly space: Space | undefined;
}

export async function storageFigures(
  services: Services,
  signal: AbortSignal,
  onDone: (done: number) => void,
): Promise<StorageFigures> {
  const { repositories, ...totals } = await gatherStats(services, signal, onDone);
  const largest = await sortedInTurns(repositories, (a, b) => b.bytes - a.bytes);
  const space = await services.storage.volume.space().catch(() => undefined);
  return { ...totals, largest, space };
}
