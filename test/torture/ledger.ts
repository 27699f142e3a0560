// Records what clients have sent, and what was acknowledged: the judge of a store's state after a crash. Each object of the
// registry (a blob of a repository, a manifest, a tag) is a register with a value; an operation writes some registers at an
// unknown moment between "sent" and "acknowledged". One that was lost wrote them before that moment, or never.

/** A digest, or `present`; `undefined` if absent. */
export type Value = string | undefined;

export const present = "present";

export interface Write {
  readonly key: string;
  readonly value: Value;
  /** Written only if the register has this value: deleting a manifest deletes its own tags. */
  readonly onlyIf?: string;
}

export interface Operation {
  acknowledge(): void;
  /** The server refused it: nothing was written. */
  reject(): void;
  /** The process that performed it has ended: nothing will be written from now on. */
  lost(): void;
}

/** Milliseconds since the epoch. */
interface Written extends Write {
  readonly sent: number;
  /** When it was acknowledged or lost. */
  ended: number;
  isAcknowledged: boolean;
}

export const keys = {
  blob: (name: string, digest: string) => `blob ${name}@${digest}`,
  manifest: (name: string, digest: string) => `manifest ${name}@${digest}`,
  tag: (name: string, tag: string) => `tag ${name}:${tag}`,
};

/** Minimum milliseconds between two events, limited by the precision of today's milliseconds, 2^-12. */
const momentStep = 0.001;

export class Ledger {
  readonly #registers = new Map<string, Written[]>();
  #now = 0;
  sent = 0;
  acknowledged = 0;
  lost = 0;
  /** Moments of the acknowledgements, in order. */
  readonly acknowledgements: number[] = [];

  /** Later than every previous moment, so that moments show the order of events. */
  #moment(): number {
    this.#now = Math.max(Date.now(), this.#now + momentStep);
    return this.#now;
  }

  begin(writes: readonly Write[]): Operation {
    const sent = this.#moment();
    const written = writes.map(
      (write): Written => ({ ...write, sent, ended: Number.POSITIVE_INFINITY, isAcknowledged: false }),
    );
    for (const write of written) this.#history(write.key).push(write);
    this.sent++;
    return {
      acknowledge: () => {
        const moment = this.#moment();
        for (const write of written) Object.assign(write, { ended: moment, isAcknowledged: true });
        this.acknowledgements.push(moment);
        this.acknowledged++;
      },
      lost: () => {
        const moment = this.#moment();
        for (const write of written) write.ended = moment;
        this.lost++;
      },
      reject: () => {
        for (const write of written) {
          const history = this.#history(write.key);
          history.splice(history.indexOf(write), 1);
        }
      },
    };
  }

  #history(key: string): Written[] {
    let history = this.#registers.get(key);
    if (history === undefined) {
      history = [settled(key, undefined)];
      this.#registers.set(key, history);
    }
    return history;
  }

  /**
   * Returns why the register cannot have this value after a crash at the moment `until`, or `undefined` if it can: some
   * operation wrote it, or may have, and no later acknowledged operation has written another value.
   */
  objection(key: string, value: Value, until: number = Number.POSITIVE_INFINITY): string | undefined {
    const history = this.#history(key)
      .filter((write) => write.sent <= until)
      // Moments are known only to a millisecond.
      .map((write) =>
        write.ended + 1 <= until
          ? write
          : { ...write, ended: Number.POSITIVE_INFINITY, isAcknowledged: false },
      );
    const overwrites = (later: Written, earlier: Written) =>
      later.isAcknowledged &&
      later.sent > earlier.ended &&
      later.value !== value &&
      (later.onlyIf === undefined || later.onlyIf === value);
    const writers = history.filter((write) => write.value === value);
    if (writers.some((write) => !history.some((later) => overwrites(later, write)))) return undefined;
    return `${key} is ${value ?? "absent"}; written were ${history.map(told).join(", ")}`;
  }

  /** The server has shown the value after a crash, so it is the real one from now on. */
  settle(key: string, value: Value): void {
    this.#registers.set(key, [settled(key, value)]);
  }
}

function settled(key: string, value: Value): Written {
  const before = Number.NEGATIVE_INFINITY;
  return { key, value, sent: before, ended: before, isAcknowledged: true };
}

function told({ value, onlyIf, sent, ended, isAcknowledged }: Written): string {
  const condition = onlyIf === undefined ? "" : ` (if it was ${onlyIf})`;
  const begun = sent === Number.NEGATIVE_INFINITY ? "before" : `sent ${sent.toFixed(4)}`;
  const how = isAcknowledged ? "acknowledged" : "lost";
  const end = ended === Number.POSITIVE_INFINITY ? "in flight" : `${how} ${ended.toFixed(4)}`;
  return `"${value ?? "absent"}"${condition} ${begun === "before" ? begun : `${begun} ${end}`}`;
}
