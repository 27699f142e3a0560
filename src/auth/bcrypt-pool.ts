/**
 * Checks passwords in threads of its own, and a bounded number of them: a flood of wrong ones takes neither the
 * threads that hash and write uploads nor those that read files, and no more memory than the bound.
 * `docs/decisions/0010` has the figures.
 */
import { once } from "node:events";
import { Piscina } from "piscina";
import { RegistryError, TooManyRequests } from "../domain/errors.js";
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

const workerFile = new URL("../../workers/passwords.js", import.meta.url);

/** Who has stopped logging in pays for no thread. */
const idleMilliseconds = 60_000;

/** 64 checks take one thread some 4 s. */
const retrySeconds = 5;

/** A worker loads in some 100 ms. */
const loadMillisecondsMax = 5_000;

export class BcryptPool {
  readonly #piscina: Piscina<BcryptTask, boolean>;
  readonly #running = new Set<Promise<boolean>>();
  #loaded = 0;
  #closing = false;

  constructor(readonly options: BcryptPoolOptions) {
    this.#piscina = new Piscina({
      filename: workerFile.href,
      name: "check",
      minThreads: 0,
      maxThreads: options.threads,
      idleTimeout: idleMilliseconds,
      recordTiming: false,
    });
    // Without a listener it would end the process.
    this.#piscina.on("error", options.onError);
    this.#piscina.on("workerCreate", () => this.#loaded++);
    this.#piscina.on("workerDestroy", () => this.#loaded--);
  }

  readonly check: CheckPassword = async (password, hash) => {
    if (this.#closing) throw new RegistryError("shutting-down", "the registry is stopping");
    if (this.#running.size >= this.options.checksMax)
      throw new TooManyRequests("logins", "too many passwords are being checked", retrySeconds);
    const running = this.#piscina.run({ password, hash });
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  };

  /** Waits for workers that have only been started: Node aborts where a thread is ended while it loads its modules. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.allSettled(this.#running);
    const late = AbortSignal.timeout(loadMillisecondsMax);
    while (this.#piscina.threads.length > this.#loaded && !late.aborted)
      await once(this.#piscina, "workerCreate", { signal: late }).catch(() => {});
    await this.#piscina.destroy();
  }
}
