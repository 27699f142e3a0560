/** All times of the protocol (docs/decisions/0046). Tests use shorter ones. */
export interface Times {
  /** Interval of heartbeats. */
  readonly beatMilliseconds: number;
  /**
   * A node is in touch if its last complete heartbeat began within this time. Each node judges itself by its own clock, and
   * the others by the engine's.
   */
  readonly touchMilliseconds: number;
  /** The engine must answer a command within this time. */
  readonly commandMilliseconds: number;
  /**
   * A node that sends no heartbeat, and renews no record in the storage, is forgotten after this time. Until then, nothing is
   * removed without its answer.
   */
  readonly memberMilliseconds: number;
  /** An entry of the held table expires this long after its last renewal. */
  readonly heldMilliseconds: number;
}

export const defaultTimes: Times = {
  beatMilliseconds: 250,
  touchMilliseconds: 2_000,
  commandMilliseconds: 1_000,
  memberMilliseconds: 120_000,
  heldMilliseconds: 30_000,
};

/** A node that is out of touch for this long without a record assumes that others have forgotten it. */
export function forgottenAfter({ memberMilliseconds }: Times): number {
  return memberMilliseconds * 0.9;
}

/** Interval at which a node without the engine renews its record. */
export function recordedEvery({ memberMilliseconds }: Times): number {
  return memberMilliseconds / 8;
}

/** Interval at which a node looks for the records of members that send no heartbeat. */
export function lookedEvery({ memberMilliseconds }: Times): number {
  return memberMilliseconds / 24;
}

/** After this time, all nodes know that a node is out of touch: it cannot have completed a heartbeat meanwhile. */
export function noticedAfter({ touchMilliseconds, commandMilliseconds }: Times): number {
  return touchMilliseconds + commandMilliseconds;
}

/** A holder trusts its entry for this long after it began the last renewal: less than until the entry expires. */
export function trustedFor({ heldMilliseconds }: Times): number {
  return (heldMilliseconds * 2) / 3;
}
