/** The definition of an attack: hostile clients that must neither stop the server nor hold up its other clients. */
import type { Endpoint } from "../driver/endpoint.js";

export interface AttackTarget extends Endpoint {
  /** When to stop, by `performance.now()` of the attacking process. */
  readonly deadline: number;
  /** Aborted at the deadline. */
  readonly signal: AbortSignal;
}

export interface Attack {
  /** Also the name of its bench scenario, after `attack-`. */
  readonly name: string;
  /** One sentence: what the attackers do. */
  readonly what: string;
  /** Settings of the attacked Gantry beside its defaults, by the names of their environment variables. */
  readonly settings?: Readonly<Record<string, string>>;
  /** RLIMIT_NOFILE of the attacked server; the test's own limit without it. */
  readonly descriptorsMax?: number;
  /** Whether the server's standard error is a pipe that nobody reads. */
  readonly unreadErrors?: true;
  /** The longest that another client may wait for a response, in milliseconds. */
  readonly waitMillisecondsMax: number;
  /** Runs before the other client starts, for content that the attack needs. */
  prepare?(target: AttackTarget): Promise<void>;
  /** Attacks until it has done all it can or `target.signal` aborts. A refusal or a closed connection is no error. */
  run(target: AttackTarget): Promise<void>;
  /** Runs after the attack. Throws if something was granted or lost. */
  check?(target: AttackTarget): Promise<void>;
}

/** Attacks come from this address and the other client from another one, as limits count clients by address. */
export const attackerAddress = "127.0.0.1";
export const bystanderAddress = "127.0.0.2";
