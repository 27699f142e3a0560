/** The definition of an attack: hostile clients that must neither stop the server nor delay its other clients. */
import type { Endpoint } from "../driver/endpoint.js";

export interface AttackTarget extends Endpoint {
  /** End of the attack, by `performance.now()` of the attacking process. */
  readonly deadline: number;
  /** Aborted at the deadline. */
  readonly signal: AbortSignal;
}

export interface Attack {
  /** Also the name of its bench scenario, after `attack-`. */
  readonly name: string;
  /** One sentence: the attackers' work. */
  readonly what: string;
  /** Additional settings of the attacked Gantry, by environment variable. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Whether the server speaks HTTPS, with the other client too. */
  readonly secure?: true;
  /** RLIMIT_NOFILE of the attacked server; by default the test's own limit. */
  readonly descriptorsMax?: number;
  /** Whether the server's standard error is an unread pipe. */
  readonly unreadErrors?: true;
  /** Maximum wait of another client for a response, in milliseconds. */
  readonly waitMillisecondsMax: number;
  /** Runs before the other client starts, to create the attack's content. */
  prepare?(target: AttackTarget): Promise<void>;
  /** Attacks until it is finished or `target.signal` aborts. A refusal or a closed connection is no error. */
  run(target: AttackTarget): Promise<void>;
  /** Runs after the attack. Throws if something was granted or lost. */
  check?(target: AttackTarget): Promise<void>;
}

/** Attacks come from this address and the other client from another one, because limits count clients by address. */
export const attackerAddress = "127.0.0.1";
export const bystanderAddress = "127.0.0.2";
