/** What the use-cases work with, put together in the composition root, and the rules that an operator sets. */
import type { Robots } from "../auth/robots.js";
import type { Caches } from "../cache/caches.js";
import type { Cluster } from "../cluster/cluster.js";
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

export interface Rules {
  /** Whether tags, manifests and blobs may be deleted over the API. */
  readonly deleteEnabled: boolean;
  /** Allows a mount without a source repository to use a blob of any repository. */
  readonly anonymousMount: boolean;
  /** Whether a manifest may name blobs and manifests that the repository does not have. */
  readonly sparseManifests: boolean;
  /** Whether a descriptor whose size or embedded data is not its content's gets the manifest refused. */
  readonly strictSizes: boolean;
  readonly tagPolicy: TagPolicy;
  /** Largest manifest that is taken. */
  readonly manifestBytesMax: number;
  /** Most entries of a page. */
  readonly pageEntriesMax: number;
}

export interface Services {
  readonly storage: Storage;
  /** What the nodes of the registry share. */
  readonly cluster: Cluster;
  readonly caches: Caches;
  readonly sessions: SessionTable;
  readonly slabs: SlabPool;
  readonly overflow: Overflow;
  readonly manifestReader: ManifestReader;
  /** For bodies that are needed as a whole: manifests that are being pushed, and forms. */
  readonly bodyMemory: ByteBudget;
  readonly rules: Rules;
  readonly pulls: Pulls;
  readonly gcStats: GcStats;
  readonly health: Health;
  readonly robots: Robots;
  /** Told of what is stored and is not what it is stored as; it is passed over. */
  readonly onStray: (what: string, why: string) => void;
  /** Told of clean-up that failed behind an answer that was right. */
  readonly onBackgroundError: (error: unknown) => void;
}
