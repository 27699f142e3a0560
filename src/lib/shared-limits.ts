/**
 * Limits of one key that hold over several processes. Each process decides by itself, by what it has counted and what the
 * others have reported: a request waits for no other process. A key far below its limit is not reported at all.
 */

/** A key, and what the reporting process has counted for it. */
export type ReportedUse = readonly [key: string, count: number];

/** The use of one process by limit. */
export type UseReport = Readonly<Record<string, readonly ReportedUse[]>>;

/** The entries of a limit in one report, about 60 bytes each. The others follow in the next one. */
const entriesMax = 1000;

/** A limit whose use other processes must know. */
interface SharedLimit {
  /** Returns the uses that the other processes do not know yet. They count as known from then on. */
  report(): ReportedUse[];
  /** Makes the next reports complete, for a process that has begun to listen. */
  reportAgain(): void;
  receive(process: number, use: readonly ReportedUse[]): void;
  forget(process: number): void;
  /** Whether there is something to report. */
  readonly isDue: boolean;
}

export abstract class SharedLimits {
  readonly #limits = new Map<string, SharedLimit>();

  constructor(
    /** Number of processes. */
    readonly count: number,
  ) {}

  /** Called when there is something to report. */
  protected abstract onDue(): void;

  /** A limit of concurrent uses. `own` returns those of this process. */
  levels(name: string, max: number, own: (key: string) => number): SharedLevels {
    const levels = new SharedLevels(max / (2 * this.count), own, () => this.onDue());
    this.#limits.set(name, levels);
    return levels;
  }

  /** A limit of uses in a time. `take` counts uses at other processes. */
  rate(name: string, take: (key: string, count: number) => void): SharedRate {
    const rate = new SharedRate(take, () => this.onDue());
    this.#limits.set(name, rate);
    return rate;
  }

  report(): UseReport {
    const report: Record<string, readonly ReportedUse[]> = {};
    for (const [name, limit] of this.#limits) {
      const use = limit.report();
      if (use.length > 0) report[name] = use;
      if (limit.isDue) this.onDue();
    }
    return report;
  }

  reportAgain(): void {
    for (const limit of this.#limits.values()) limit.reportAgain();
  }

  receive(process: number, report: UseReport): void {
    for (const [name, use] of Object.entries(report)) this.#limits.get(name)?.receive(process, use);
  }

  /** Forgets the reports of a process that has ended. */
  forget(process: number): void {
    for (const limit of this.#limits.values()) limit.forget(process);
  }
}

/**
 * Concurrent uses of a key at all processes. A process reports those of a key from half of its part of the limit on, or if
 * another process has reported some, so unreported uses add up to less than half of the limit.
 */
export class SharedLevels implements SharedLimit {
  readonly #elsewhere = new Map<string, Map<number, number>>();
  /** Keys that others know of. */
  readonly #reported = new Set<string>();
  readonly #due = new Set<string>();

  constructor(
    readonly threshold: number,
    readonly own: (key: string) => number,
    readonly onDue: () => void,
  ) {}

  /** The uses of the key at other processes. */
  elsewhere(key: string): number {
    let sum = 0;
    for (const level of this.#elsewhere.get(key)?.values() ?? []) sum += level;
    return sum;
  }

  /** Call this when this process's uses of the key have changed. */
  changed(key: string): void {
    if (this.own(key) < this.threshold && !this.#reported.has(key) && !this.#elsewhere.has(key)) return;
    this.#due.add(key);
    this.onDue();
  }

  get isDue(): boolean {
    return this.#due.size > 0;
  }

  report(): ReportedUse[] {
    const use: ReportedUse[] = [];
    for (const key of this.#due) {
      if (use.length === entriesMax) break;
      this.#due.delete(key);
      const level = this.own(key);
      if (level === 0 && !this.#reported.delete(key)) continue;
      if (level > 0) this.#reported.add(key);
      use.push([key, level]);
    }
    return use;
  }

  reportAgain(): void {
    for (const key of this.#reported) this.#due.add(key);
    if (this.isDue) this.onDue();
  }

  receive(process: number, use: readonly ReportedUse[]): void {
    for (const [key, level] of use) {
      const levels = this.#elsewhere.get(key) ?? new Map<number, number>();
      if (level > 0) this.#elsewhere.set(key, levels.set(process, level));
      else this.#delete(key, process);
      if (this.own(key) > 0 && !this.#reported.has(key)) this.changed(key);
    }
  }

  forget(process: number): void {
    for (const key of this.#elsewhere.keys()) this.#delete(key, process);
  }

  #delete(key: string, process: number): void {
    const levels = this.#elsewhere.get(key);
    levels?.delete(process);
    if (levels?.size === 0) this.#elsewhere.delete(key);
  }
}

/** Uses of a key in a time. A process reports all, because a key that others know little of may use its whole rate there. */
export class SharedRate implements SharedLimit {
  readonly #due = new Map<string, number>();

  constructor(
    readonly take: (key: string, count: number) => void,
    readonly onDue: () => void,
  ) {}

  took(key: string): void {
    this.#due.set(key, (this.#due.get(key) ?? 0) + 1);
    this.onDue();
  }

  get isDue(): boolean {
    return this.#due.size > 0;
  }

  report(): ReportedUse[] {
    const use: ReportedUse[] = [];
    for (const [key, count] of this.#due) {
      if (use.length === entriesMax) break;
      this.#due.delete(key);
      use.push([key, count]);
    }
    return use;
  }

  /** A process that begins has missed uses of the past. */
  reportAgain(): void {}

  receive(_process: number, use: readonly ReportedUse[]): void {
    for (const [key, count] of use) this.take(key, count);
  }

  forget(): void {}
}
