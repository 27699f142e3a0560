/**
 * Whether the registry can do its work: its storage takes what is written and has enough space, and its workers
 * answer. Looked at by the clock and never for who asks, so that nobody can cause work by asking.
 */
import { setTimeout } from "node:timers/promises";
import type { Storage, StorageWorkers } from "../storage/storage.js";

export interface HealthServices {
  readonly storage: Pick<Storage, "readOnly" | "volume"> & {
    readonly workers: Pick<StorageWorkers, "answer">;
  };
}

export interface HealthOptions {
  /** Whether anything is to be looked at: else all is taken to be well. */
  readonly enabled: boolean;
  /** Failures one after the other that make a part fail which has been well. */
  readonly threshold: number;
  /** Space that there must be; 0 for any. */
  readonly freeBytesMin: number;
  /** What takes longer fails. */
  readonly secondsMax: number;
  /** Told when a part begins to fail, and when it is well again. */
  readonly onChange: (part: Part, failure: unknown) => void;
}

/** What fails does so for one of these reasons; its cause is the log's business. */
const reasons = {
  storage: "the storage cannot be written to",
  space: "there is too little space left",
  workers: "the workers do not answer",
} as const;

export type Part = keyof typeof reasons;

/** A reason for each part that fails. */
export type Failures = Partial<Record<Part, string>>;

export class Health {
  readonly #failed = new Map<Part, number>();
  /** `undefined` until somebody has looked. */
  #failures: Failures | undefined;
  #stopping = false;

  constructor(
    readonly services: HealthServices,
    readonly options: HealthOptions,
  ) {
    if (!options.enabled) this.#failures = {};
  }

  /** What fails now; `undefined` where nobody has looked yet. */
  get failures(): Failures | undefined {
    return this.#failures;
  }

  /** Whether clients should come here. */
  get ready(): boolean {
    return !this.#stopping && this.#failures !== undefined && Object.keys(this.#failures).length === 0;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** No more clients are wanted. */
  stop(): void {
    this.#stopping = true;
  }

  /** Looks at all parts. Never rejects. */
  async look(): Promise<void> {
    const { storage } = this.services;
    const parts: readonly Promise<Part | undefined>[] = [
      // On one that is read-only, pulls are all that is promised.
      this.#look("storage", storage.readOnly ? Promise.resolve() : storage.volume.probe()),
      this.#look("space", storage.readOnly ? Promise.resolve() : this.#checkSpace()),
      this.#look("workers", storage.workers.answer()),
    ];
    const failing = (await Promise.all(parts)).filter((part) => part !== undefined);
    this.#failures = Object.fromEntries(failing.map((part) => [part, reasons[part]]));
  }

  async #checkSpace(): Promise<void> {
    const space = await this.services.storage.volume.space();
    if (space !== undefined && space.freeBytes < this.options.freeBytesMin)
      throw new Error(`${space.freeBytes} bytes are free, ${this.options.freeBytesMin} are wanted`);
  }

  /** The part, if it fails. */
  async #look(part: Part, work: Promise<void>): Promise<Part | undefined> {
    const { threshold, onChange, secondsMax } = this.options;
    const before = this.#failed.get(part) ?? 0;
    // What was never well is given no time.
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
  const ended = new AbortController();
  const late = setTimeout(secondsMax * 1000, undefined, { signal: ended.signal }).then(
    () => {
      throw new Error(`no answer in ${secondsMax} s`);
    },
    () => {},
  );
  try {
    await Promise.race([work, late]);
  } finally {
    ended.abort();
  }
}
