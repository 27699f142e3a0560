/** Figures about the registry as a whole, for the pages that show them. */
import type { Services } from "../registry/services.js";
import type { UpstreamCache } from "../upstream/cache.js";
import { Activity, RequestTotals } from "./activity.js";
import { BackgroundReport } from "./background-report.js";
import { type CachedFigures, cachedFigures } from "./cached-figures.js";
import { hitTotals } from "./hit-totals.js";
import { type StorageFigures, storageFigures } from "./storage-figures.js";

export class Reports {
  readonly requests = new RequestTotals();
  readonly activity: Activity;
  readonly storage: BackgroundReport<StorageFigures>;
  /** Absent if this registry caches no others. */
  readonly cached: BackgroundReport<CachedFigures> | undefined;

  constructor(
    services: Services,
    upstreams: UpstreamCache | undefined,
    /** Whether other nodes may serve the same registry: their activity is known with a delay. */
    readonly hasOtherNodes: boolean,
  ) {
    this.activity = new Activity(() => ({ ...this.requests, ...hitTotals(services.caches, upstreams) }));
    const { onBackgroundError } = services;
    this.storage = new BackgroundReport(
      (signal, onDone) => storageFigures(services, signal, onDone),
      onBackgroundError,
    );
    this.cached =
      upstreams &&
      new BackgroundReport(
        (signal, onDone) => cachedFigures(services, upstreams, signal, onDone),
        onBackgroundError,
      );
  }

  /** Ends work in the background. */
  async close(): Promise<void> {
    await Promise.all([this.storage.close(), this.cached?.close()]);
  }
}
