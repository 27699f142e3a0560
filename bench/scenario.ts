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
  /** Further figures of the run, by name with unit. */
  readonly details?: Readonly<Record<string, number>>;
}

export interface Series {
  readonly contender: ContenderName;
  readonly samples: readonly Sample[];
}

/** Either a multiple of a peer's figure in the same run, or a ceiling. */
export type Target =
  | { readonly kind: "ratio"; readonly peer: ContenderName; readonly atLeast: number }
  | { readonly kind: "ceiling"; readonly atMost: number };

export interface Settings {
  readonly quick: boolean;
  readonly rounds: number;
  /** Gantry, unless the bench is asked to compare a peer with itself. */
  readonly subject: RegistryName;
  /** Where the scenario is to leave CPU profiles of the subject, which then runs alone. */
  readonly profileFolder?: string | undefined;
}

export interface Scenario {
  readonly name: string;
  /** One sentence: what the clients do. */
  readonly what: string;
  readonly unit: string;
  readonly target: Target;
  /** Beside the subject, in the order in which they run. */
  readonly peers: readonly ContenderName[];
  /** The first series is the subject's. A peer that is not installed has none. */
  run(settings: Settings): Promise<readonly Series[]>;
}
