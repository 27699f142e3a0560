/**
 * Checks passwords in threads of its own, and a bounded number of them: a flood of wrong ones takes neither the
 * threads that hash and write uploads nor those that read files, and no more memory than the bound.
 * `docs/decisions/0010` has the figures.
 */
import { RegistryError, TooManyRequests } from "../domain/errors.js";
import { IdlePool } from "../lib/idle-pool.js";
import type { BcryptTask } from "./bcrypt-protocol.js";
import type { BcryptHash } from "./htpasswd.js";

/** Whether the password is the one of the hash. Rejects with `too-many-requests` where no more can be taken on. */
export type CheckPassword = (password: string, hash: BcryptHash) => Promise<boolean>;

export interface BcryptPoolOptions {
  readonly threads: number;
  /** Passwords that are checked or wait for it: 64 wait some 4 s where one thread checks them. */
  readonly checksMax: number;
  /** Told of a worker that ended outside any check. */
  readonly onError: (error: unknown) => void;
}

const workerFile = new URL("../../workers/passwords/passwords.js", import.meta.url);

/** 64 checks take one thread some 4 s. */
const retrySeconds = 5;

export class BcryptPool {
  readonly #pool: IdlePool;
  #closing = false;

  constructor(readonly options: BcryptPoolOptions) {
    this.#pool = new IdlePool({ ...options, file: workerFile, tasksPerThread: 1 });
  }

  readonly check: CheckPassword = async (password, hash) => {
    if (this.#closing) throw new RegistryError("shutting-down", "the registry is stopping");
    if (this.#pool.tasks >= this.options.checksMax)
      throw new TooManyRequests("logins", "too many passwords are being checked", retrySeconds);
    const task: BcryptTask = { password, hash };
    return (await this.#pool.run("check", task)) === true;
  };

  /** Ends the threads when what they check is checked. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#pool.close();
  }
}
