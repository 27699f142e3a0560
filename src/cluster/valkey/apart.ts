/**
 * Nodes that work without the engine. A node that the engine does not answer keeps a record of itself in the storage, and
 * goes on to push. The others forget a member only if it has sent no heartbeat and renewed no record for the lifetime of
 * members: until then, nothing is deleted or collected. See docs/decisions/0046 and test/unit/model/apart-protocol.test.ts.
 */
import type { NodeRecords } from "../../storage/node-records.js";
import type { NodeName } from "../cluster.js";
import { digitsOf, nodeName } from "../node-name.js";
import type { Engine } from "./engine.js";
import { lookedEvery, recordedEvery, type Times } from "./times.js";

export interface ApartOptions {
  readonly records: NodeRecords;
  readonly times: Times;
  readonly leaseSeconds: number;
  readonly onError: (error: unknown) => void;
}

/** The record of this node. */
export class OwnRecord {
  /** When the last renewal that counts began, by this node's monotonic clock. */
  writtenAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #isWriting = false;

  constructor(
    readonly digits: string,
    readonly options: ApartOptions,
    /** Whether others may have forgotten this node. */
    readonly isForgotten: () => boolean,
  ) {}

  /** Call it while this node is out of touch. Renews the record when it is due. Never throws. */
  renewIfDue(): void {
    const begun = performance.now();
    if (this.#isWriting || this.isForgotten() || begun - this.#triedAt < recordedEvery(this.options.times))
      return;
    this.#isWriting = true;
    this.#triedAt = begun;
    void this.options.records
      .renew(this.digits)
      .then(() => {
        // If it came too late, others may have looked for it before.
        if (!this.isForgotten()) this.writtenAt = begun;
      }, this.options.onError)
      .finally(() => {
        this.#isWriting = false;
      });
  }
}

/** What this node knows of members that send no heartbeat. */
export class Absent {
  readonly #apart = new Set<NodeName>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #isLooking = false;

  constructor(
    readonly engine: Engine,
    readonly options: ApartOptions,
    /** Whether a node is registered, and out of touch. */
    readonly isSilentMember: (name: NodeName) => boolean,
  ) {}

  /** Whether a member is known to work without the engine. */
  has(name: NodeName): boolean {
    return this.#apart.has(name);
  }

  /**
   * Call it after each answer of the engine, with the members that have sent no heartbeat for their lifetime, each with its
   * entry, and with the epoch if it is old enough to be settled, but is not. Forgets members that have no record either.
   * Never throws.
   */
  look(expired: ReadonlyMap<string, string>, unsettled: string | undefined): void {
    for (const name of this.#apart) if (!this.isSilentMember(name)) this.#apart.delete(name);
    if (expired.size === 0 && unsettled === undefined) return;
    const now = performance.now();
    if (this.#isLooking || now - this.#lookedAt < lookedEvery(this.options.times)) return;
    this.#isLooking = true;
    this.#lookedAt = now;
    void this.#look(expired, unsettled)
      .catch(this.options.onError)
      .finally(() => {
        this.#isLooking = false;
      });
  }

  async #look(expired: ReadonlyMap<string, string>, unsettled: string | undefined): Promise<void> {
    const { records, times, leaseSeconds } = this.options;
    const { memberMilliseconds } = times;
    for (const [member, entry] of expired) {
      const name = member as NodeName;
      if (await records.isYoung(digitsOf(name), memberMilliseconds)) this.#apart.add(name);
      else {
        this.#apart.delete(name);
        // With its entry of then: it may have been back meanwhile, and be without the engine again.
        const args = [name, entry, leaseSeconds * 1000];
        await this.engine.script("forget", ["members", "pausedUntil", "processes"], args);
      }
    }
    if (unsettled === undefined) return;
    const apart = (await records.young(memberMilliseconds)).map(nodeName);
    for (const name of apart) this.#apart.add(name);
    await this.engine.script("settle", ["members", "epoch"], [unsettled, ...apart]);
  }
}
