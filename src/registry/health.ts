/**
 * Checks whether the storage accepts writes and has enough space, and whether the workers respond. It runs periodically and
 * never on request, so that no client can cause work by asking.
 */

import { endsWithin } from "../lib/ends-within.js";
import type { Storage, StorageWorkers } from "../storage/storage.js";

export interface HealthServices {
  readonly storage: Pick<Storage, "readOnly" | "volume"> & {
    readonly workers: Pick<StorageWorkers, "answer">;
  };
}

export interface HealthOptions {
  /** Whether to check at all; otherwise everything counts as healthy. */
  readonly enabled: boolean;
  /** Consecutive failures after which a healthy part counts as failed. */
  readonly threshold: number;
  /** Minimum free space; 0 for no minimum. */
  readonly freeBytesMin: number;
  /** A check that takes longer has failed. */
  readonly secondsMax: number;
  /** Called when a part starts to fail, and when it recovers. */
  readonly onChange: (part: Part, failure: unknown) => void;
  /** Absent if this process serves alone. */
  readonly others?: OtherProcesses | undefined;
}

export const parts = ["storage", "space", "workers", "processes"] as const;

/** The reasons that clients see; the log has the cause. */
const reasons: Readonly<Record<Part, string>> = {
  storage: "the storage cannot be written to",
  space: "there is too little space left",
  workers: "the workers do not answer",
  processes: "a process does not answer",
};

/** A healthy storage answers within this time, also beside much other work. */
const answerMillisecondsMax = 2_000;

export type Part = (typeof parts)[number];

/** The reason for each failed part. */
export type Failures = Partial<Record<Part, string>>;

/** Returns the failures of a server with these failed parts. */
export function failuresOf(failed: readonly Part[]): Failures {
  return Object.fromEntries(failed.map((part) => [part, reasons[part]]));
}

/** The other processes of this server. */
export interface OtherProcesses {
  readonly failures: Failures;
  /** Number of processes that serve, with this one. */
  readonly serving: number;
  /** Number of processes that should. */
  readonly count: number;
  /** Called after each check, with the failed parts of this process. */
  tell(failures: Failures): void;
}

export class Health {
  readonly #failed = new Map<Part, number>();
  /** `undefined` until the first check. */
  #failures: Failures | undefined;
  #stopping = false;
  /** When the running check of the storage began, by the clock of `performance`. */
  #askedAt: number | undefined;

  constructor(
    readonly services: HealthServices,
    readonly options: HealthOptions,
  ) {
    if (!options.enabled) this.#failures = {};
  }

  /** The failed parts of all processes; `undefined` before the first check of this one. */
  get failures(): Failures | undefined {
    return this.#failures && { ...this.options.others?.failures, ...this.#failures };
  }

  /** Whether the server is ready for clients. */
  get ready(): boolean {
    const { failures } = this;
    return !this.#stopping && failures !== undefined && Object.keys(failures).length === 0;
  }

  /** Number of processes that serve, if there should be more. */
  get missing(): { readonly serving: number; readonly count: number } | undefined {
    const { others } = this.options;
    if (others === undefined || others.serving >= others.count) return undefined;
    return { serving: others.serving, count: others.count };
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Whether the storage has answered the last check, or still may in time. Known earlier than whether it counts as failed. */
  get storageAnswers(): boolean {
    const waited = this.#askedAt === undefined ? 0 : performance.now() - this.#askedAt;
    return !this.#failed.has("storage") && waited < answerMillisecondsMax;
  }

  /** Reports the server as not ready, for a shutdown. */
  stop(): void {
    this.#stopping = true;
  }

  /** Checks all parts. Never rejects. */
  async look(): Promise<void> {
    const { storage } = this.services;
    const looks: readonly Promise<Part | undefined>[] = [
      // A read-only storage only has to serve pulls.
      this.#look("storage", storage.readOnly ? Promise.resolve() : this.#probe()),
      this.#look("space", storage.readOnly ? Promise.resolve() : this.#checkSpace()),
      this.#look("workers", storage.workers.answer()),
    ];
    const failing = (await Promise.all(looks)).filter((part) => part !== undefined);
    this.#failures = failuresOf(failing);
    this.options.others?.tell(this.#failures);
  }

  async #probe(): Promise<void> {
    const askedAt = performance.now();
    this.#askedAt ??= askedAt;
    try {
      await this.services.storage.volume.probe();
    } finally {
      if (this.#askedAt === askedAt) this.#askedAt = undefined;
    }
  }

  async #checkSpace(): Promise<void> {
    const space = await this.services.storage.volume.space();
    if (space !== undefined && space.freeBytes < this.options.freeBytesMin)
      throw new Error(
        `${space.freeBytes} bytes are free, but at least ${this.options.freeBytesMin} are required`,
      );
  }

  /** Resolves with the part if its check fails. */
  async #look(part: Part, work: Promise<void>): Promise<Part | undefined> {
    const { threshold, onChange, secondsMax } = this.options;
    const before = this.#failed.get(part) ?? 0;
    // At the first check, a single failure counts.
    const failed = this.#failures === undefined ? threshold : before + 1;
    try {
      await within(secondsMax, work);
      this.#failed.delete(part);
      if (before >= threshold) onChange(part, undefined);
      return undefined;
    } catch (error) {
      this.#failed.set(part, failed);
      if (failed === threshold) onChange(part, error);
      return failed >= threshold ? part : undefined;
    }
  }
}

async function within(secondsMax: number, work: Promise<void>): Promise<void> {
  if (!(await endsWithin(secondsMax * 1000, work))) throw new Error(`no response within ${secondsMax} s`);
}
