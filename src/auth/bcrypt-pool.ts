/**
 * Checks passwords in its own threads, with a bounded queue: a flood of wrong passwords takes no thread from uploads or file
 * reads, and no memory beyond the bound. Figures: docs/decisions/0010.
 */
import { RegistryError, TooManyRequests } from "../domain/errors.js";
import { IdlePool } from "../lib/idle-pool.js";
import type { BcryptTask } from "./bcrypt-protocol.js";
import type { BcryptHash } from "./htpasswd.js";

/** Resolves with whether the password matches the hash. Rejects with `too-many-requests` if the queue is full. */
export type CheckPassword = (password: string, hash: BcryptHash) => Promise<boolean>;

export interface BcryptPoolOptions {
  readonly threads: number;
  /** Running and queued checks: with one thread, 64 take about 4 s. */
  readonly checksMax: number;
  /** Called when a worker ends outside of a check. */
  readonly onError: (error: unknown) => void;
}

const workerFile = new URL("../../workers/passwords/passwords.js", import.meta.url);

/** 64 checks take one thread about 4 s. */
const retrySeconds = 5;

export class BcryptPool {
  readonly #pool: IdlePool;
  #closing = false;

  constructor(readonly options: BcryptPoolOptions) {
    this.#pool = new IdlePool({ ...options, file: workerFile });
  }

  readonly check: CheckPassword = async (password, hash) => {
    if (this.#closing) throw new RegistryError("shutting-down", "the registry is stopping");
    if (this.#pool.tasks >= this.options.checksMax)
      throw new TooManyRequests("logins", "too many passwords are being checked", retrySeconds);
    const task: BcryptTask = { password, hash };
    return (await this.#pool.run("check", task)) === true;
  };

  /** Waits for the queued checks, then ends the threads. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#pool.close();
  }
}
