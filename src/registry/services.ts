/** The dependencies of the use cases, created in the composition root, and the operator's rules. */
import type { Robots } from "../auth/robots.js";
import type { Caches } from "../cache/caches.js";
import type { Cluster } from "../cluster/cluster.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { HistoryBounds } from "../domain/tag-history.js";
import type { GcStats } from "../gc/gc-stats.js";
import type { Pulls } from "../gc/pulls.js";
import type { TagPolicy } from "../gc/retention.js";
import type { ByteBudget } from "../lib/byte-budget.js";
import type { Overflow } from "../lib/overflow.js";
import type { SlabPool } from "../lib/slab-pool.js";
import type { Storage } from "../storage/storage.js";
import type { SessionTable } from "../uploads/session-table.js";
import type { Health } from "./health.js";
import type { ManifestReader } from "./manifest-reader/manifest-reader.js";
import type { UntaggedPushes } from "./untagged-pushes.js";

export interface Rules {
  /** Whether tags, manifests and blobs may be deleted over the API. */
  readonly deleteEnabled: boolean;
  /** Allows a mount without a source repository to use a blob of any repository. */
  readonly anonymousMount: boolean;
  /**
   * Returns whether manifests of the repository may name blobs and manifests that it does not have: by the settings, or
   * because it mirrors an upstream's, whose content arrives when it is pulled.
   */
  allowsSparse(name: RepositoryName): boolean;
  /** Whether a manifest is refused if a descriptor's size or embedded data does not match its content. */
  readonly strictSizes: boolean;
  /** Another object after each change of its file: see `withRulesOfNow`. */
  readonly tagPolicy: TagPolicy;
  /** Absent if no history of tags is kept. */
  readonly history: HistoryBounds | undefined;
  /** Maximum size of a manifest. */
  readonly manifestBytesMax: number;
  /** Maximum entries of a page. */
  readonly pageEntriesMax: number;
}

export interface Services {
  readonly storage: Storage;
  /** The state shared by the nodes of the registry. */
  readonly cluster: Cluster;
  readonly caches: Caches;
  readonly sessions: SessionTable;
  readonly slabs: SlabPool;
  readonly overflow: Overflow;
  readonly manifestReader: ManifestReader;
  /** The budget for bodies that are kept whole in memory: pushed manifests, and forms. */
  readonly bodyMemory: ByteBudget;
  readonly rules: Rules;
  /** Whether a repository belongs to an upstream registry: all of its content was fetched, and can be fetched again. */
  readonly isMirrored: (name: RepositoryName) => boolean;
  readonly pulls: Pulls;
  readonly untaggedPushes: UntaggedPushes;
  readonly gcStats: GcStats;
  readonly health: Health;
  readonly robots: Robots;
  /** Called for each stray or damaged object in the storage, which is then ignored. */
  readonly onStray: (what: string, why: string) => void;
  /** Called if clean-up fails after a request that succeeded. */
  readonly onBackgroundError: (error: unknown) => void;
}

/** Returns the services with the rules of this moment, for work that must end by the rules with which it began. */
export function withRulesOfNow<T extends Pick<Services, "rules">>(services: T): T {
  return { ...services, rules: { ...services.rules } };
}
