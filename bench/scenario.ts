/** What a scenario is and what it hands to the report. Knows no server and no request. */
import type { ContenderName, RegistryName } from "./contenders.js";

/** What the timed part of a run took. */
export interface Timing {
  readonly seconds: number;
  /** CPU seconds of the server, its threads and children. */
  readonly cpuSeconds: number;
  /** CPU seconds of the load driver: near `seconds`, it was the driver that was measured. */
  readonly driverCpuSeconds: number;
}

/** One run of one contender. */
export interface Sample extends Timing {
  readonly value: number;
  /** Of blobs, that went through in the timed part: CPU seconds are told for each GB. */
  readonly bytes?: number;
  /** That were answered in the timed part: where there are no bytes, CPU seconds are told for each 1,000. */
  readonly requests?: number;
  /** Further figures of the run, by name with unit. */
  readonly details?: Readonly<Record<string, number>>;
}

/** A sample and what the arena adds. */
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

/** How often each contender runs. */
export interface Plan {
  readonly rounds: number;
  /** By `performance.now()`: no further round begins that would likely end after it. The first always runs. */
  readonly deadline: number;
}

export interface Settings extends Plan {
  /** Fewer and smaller runs. */
  readonly quick: boolean;
  /** Gantry, unless the bench is asked to compare a peer with itself. */
  readonly subject: RegistryName;
  /** Where the scenario is to leave CPU profiles of the subject, which then runs alone. */
  readonly profileFolder?: string | undefined;
  /** The checkout of an earlier Gantry, which takes the place of all peers. */
  readonly checkoutBefore?: string | undefined;
}

/** Who is measured beside the subject. */
export function peersIn(
  { checkoutBefore }: Pick<Settings, "checkoutBefore">,
  peers: readonly ContenderName[],
): readonly ContenderName[] {
  return checkoutBefore === undefined ? peers : ["gantry-before"];
}

export interface Scenario {
  readonly name: string;
  /** One sentence: what the clients do. */
  readonly what: string;
  readonly unit: string;
  /** Which figures are good. A ratio over 1 means that the subject's is the better one, in either case. */
  readonly better: "more" | "less";
  readonly targets: readonly Target[];
  /** Beside the subject, in the order in which they run. */
  readonly peers: readonly ContenderName[];
  /** The first series is the subject's. A peer that is not installed has none. */
  run(settings: Settings): Promise<readonly Series[]>;
}

/** All who were measured at one size. */
export interface GrowthPoint {
  readonly at: number;
  readonly series: readonly Series[];
}

/** How a figure goes along with what grows. */
export interface Growth extends Pick<Scenario, "name" | "what" | "unit" | "better" | "peers"> {
  /** What grows, as the axis of a plot says it. */
  readonly along: string;
  /** Why Gantry's line bends where it does, as measured and profiled. */
  readonly why: string;
  /** From small to large. */
  run(settings: Settings): Promise<readonly GrowthPoint[]>;
}

/** Peers and the ratio that is promised to each, or null where there is no promise. */
export type Aims = Readonly<Partial<Record<ContenderName, number | null>>>;

/** The same as a scenario has it, in the same order. */
export function against(aims: Aims): Pick<Scenario, "peers" | "targets"> {
  const pairs = Object.entries(aims) as [ContenderName, number | null][];
  return {
    peers: pairs.map(([peer]) => peer),
    targets: pairs.flatMap(([peer, atLeast]) => (atLeast === null ? [] : [{ kind: "ratio", peer, atLeast }])),
  };
}
