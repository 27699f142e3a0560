/** The definition of a scenario and its results. Knows no server and no request. */
import type { ContenderName, RegistryName } from "./contenders.js";

/** The cost of a run's timed part. */
export interface Timing {
  readonly seconds: number;
  /** CPU seconds of the server, its threads and children. */
  readonly cpuSeconds: number;
  /** CPU seconds of the load driver: near `seconds`, the driver was measured. */
  readonly driverCpuSeconds: number;
}

/** One run of one contender. */
export interface Sample extends Timing {
  readonly value: number;
  /** Bytes of blobs transferred in the timed part: CPU seconds are reported per GB. */
  readonly bytes?: number;
  /** Requests answered in the timed part: without bytes, CPU seconds are reported per 1,000. */
  readonly requests?: number;
  /** Further figures of the run, by name with unit. */
  readonly details?: Readonly<Record<string, number>>;
}

/** A sample with the arena's measurements. */
export interface Measured extends Sample {
  /** The largest resident set of the server during the run. */
  readonly peakBytes: number;
}

export interface Series {
  readonly contender: ContenderName;
  readonly samples: readonly Measured[];
}

/** A promise about the ratio to one peer, or a ceiling for the subject's own figure. */
export type Target =
  | { readonly kind: "ratio"; readonly peer: ContenderName; readonly atLeast: number }
  | { readonly kind: "ceiling"; readonly atMost: number };

/** Runs of each contender. */
export interface Plan {
  readonly rounds: number;
  /** By `performance.now()`: no round starts that would probably end later. The first round always runs. */
  readonly deadline: number;
}

export interface Settings extends Plan {
  /** Fewer and smaller runs. */
  readonly quick: boolean;
  /** Gantry, unless the bench must compare a peer with itself. */
  readonly subject: RegistryName;
  /** Folder for CPU profiles of the subject, which then runs alone. */
  readonly profileFolder?: string | undefined;
  /** The checkout of an earlier Gantry, which replaces all peers. */
  readonly checkoutBefore?: string | undefined;
}

/** The contenders measured with the subject. */
export function peersIn(
  { checkoutBefore }: Pick<Settings, "checkoutBefore">,
  peers: readonly ContenderName[],
): readonly ContenderName[] {
  return checkoutBefore === undefined ? peers : ["gantry-before"];
}

export interface Scenario {
  readonly name: string;
  /** One sentence: the clients' work. */
  readonly what: string;
  readonly unit: string;
  /** Whether higher or lower figures are better. A ratio over 1 always means that the subject is better. */
  readonly better: "more" | "less";
  readonly targets: readonly Target[];
  /** The peers, in the order in which they run. */
  readonly peers: readonly ContenderName[];
  /** The first series is the subject's. A peer that is not installed has none. */
  run(settings: Settings): Promise<readonly Series[]>;
}

/** All contenders measured at one size. */
export interface GrowthPoint {
  readonly at: number;
  readonly series: readonly Series[];
}

/** How a figure depends on a size. */
export interface Growth extends Pick<Scenario, "name" | "what" | "unit" | "better" | "peers"> {
  /** The growing size, as a plot's axis names it. */
  readonly along: string;
  /** Why Gantry's line has its bend, as measured and profiled. */
  readonly why: string;
  /** From small to large. */
  run(settings: Settings): Promise<readonly GrowthPoint[]>;
}

/** Peers and the promised ratio to each, or null without a promise. */
export type Aims = Readonly<Partial<Record<ContenderName, number | null>>>;

/** The peers of a scenario, in the same order. */
export function against(aims: Aims): Pick<Scenario, "peers" | "targets"> {
  const pairs = Object.entries(aims) as [ContenderName, number | null][];
  return {
    peers: pairs.map(([peer]) => peer),
    targets: pairs.flatMap(([peer, atLeast]) => (atLeast === null ? [] : [{ kind: "ratio", peer, atLeast }])),
  };
}
