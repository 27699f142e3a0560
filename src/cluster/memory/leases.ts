/** Leases within one process, saved when it stops (see `saved-leases.ts`). */
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { now as clock } from "../../lib/clock.js";
import { Counts } from "../../lib/counts.js";
import { endsWithin } from "../../lib/ends-within.js";
import type { Change, Leases, ObjectKey } from "../cluster.js";
import { PushNotes } from "../push-notes.js";
import { LeaseTable, leaseHash } from "./lease-table.js";

/** The form saved across restarts: hashes of leased objects, and the ends of leases. Times are seconds since the epoch. */
export interface SavedLeases {
  readonly allUntil: number;
  readonly leases: readonly (readonly [hash: number, end: number])[];
}

export interface LeaseOptions {
  readonly leaseSeconds: number;
  /**
   * Maximum number of leases, 20 to 40 bytes each. Beyond it, the older half is dropped, and everything counts as leased
   * until those leases would have ended.
   */
  readonly leasesMax?: number;
}

/** Enough for 90 objects a second during the default lease of six hours (docs/decisions/0020). */
const leasesMaxDefault = 2_000_000;

/** About 200 bytes each. */
const currentMax = 2048;

/** A removal takes milliseconds, but that of a node that was killed ends only when the node is known to be dead. */
const removalMillisecondsMax = 10_000;

export class MemoryLeases implements Leases {
  readonly #leases = new LeaseTable();
  /** Objects that are pulled often, with the time until which their leases need no renewal. Hashing a key takes 0.3 us. */
  readonly #current = new Map<ObjectKey, number>();
  /** Objects being looked for, with the number of lookups. */
  readonly #looks = new Counts<ObjectKey>();
  /** Objects being removed, with the promise of the removal. */
  readonly #condemned = new Map<ObjectKey, Promise<unknown>>();
  /** There are no others to send them to. */
  readonly #notes = new PushNotes(async () => {});
  readonly #options: Required<LeaseOptions>;
  /** Until this time nothing may be collected, in seconds by `nowSeconds`, because not all leases are known. */
  #allUntil = 0;

  constructor(
    options: LeaseOptions,
    /** Publishes a change to the caches of all nodes. */
    readonly publish: (change: Change) => Promise<void> | undefined = () => undefined,
  ) {
    this.#options = { leasesMax: leasesMaxDefault, ...options };
  }

  grant(key: ObjectKey): void {
    this.#grant(leaseHash(key), nowSeconds());
  }

  renew(key: ObjectKey): void {
    const now = nowSeconds();
    const until = this.#current.get(key);
    if (until !== undefined && now <= until) return;
    const hash = leaseHash(key);
    const spent = this.#options.leaseSeconds * 0.75;
    if (this.#leases.endOf(hash) < now + spent) this.#grant(hash, now);
    if (this.#current.size >= currentMax) this.#current.clear();
    this.#current.set(key, this.#leases.endOf(hash) - spent);
  }

  #grant(hash: number, now: number): void {
    // Ends are whole seconds: with a lease time of zero, a lease would still last for a part of one.
    if (this.#options.leaseSeconds === 0) return;
    this.#leases.set(hash, Math.ceil(now + this.#options.leaseSeconds), Math.floor(now));
    if (this.#leases.size > this.#options.leasesMax) this.#makeRoom(Math.floor(now));
  }

  during<T>(key: ObjectKey, look: () => T | undefined | Promise<T | undefined>): Promise<T | undefined> {
    return this.#looks.during(key, async () => {
      const removal = this.#condemned.get(key);
      if (
        removal !== undefined &&
        !(await endsWithin(
          removalMillisecondsMax,
          removal.catch(() => {}),
        ))
      )
        throw new RegistryError(
          "cluster-unavailable",
          "the object may be removed by a node that does not answer",
        );
      const found = await look();
      if (found !== undefined) this.grant(key);
      return found;
    });
  }

  /** If all leases are current, drops the older half, and with it the knowledge of what it protected. */
  #makeRoom(now: number): void {
    this.#leases.sweep(now);
    if (this.#leases.size <= this.#options.leasesMax * 0.9) return;
    const ends = Uint32Array.from(this.#leases.entries(), ([, end]) => end).sort();
    const median = ends[ends.length >> 1] ?? now;
    this.#leases.sweep(median);
    this.#allUntil = Math.max(this.#allUntil, median);
  }

  isLeased(key: ObjectKey): boolean {
    const now = nowSeconds();
    return this.#allUntil > now || this.#looks.of(key) > 0 || this.#leases.endOf(leaseHash(key)) > now;
  }

  async leased(name: RepositoryName, digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    return new Set(digests.filter((digest) => this.isLeased(`${name}@${digest}`)));
  }

  async condemn<T>(name: RepositoryName, digest: Digest, removal: () => Promise<T>): Promise<T | "leased"> {
    const key = `${name}@${digest}` as const;
    if (this.isLeased(key)) return "leased";
    // In the same turn: from here on no cache returns the object, and lookups wait.
    const removed = this.#remove({ kind: "condemned", name, digest }, removal);
    this.#condemned.set(key, removed);
    try {
      return await removed;
    } finally {
      this.#condemned.delete(key);
    }
  }

  async #remove<T>(condemned: Change, removal: () => Promise<T>): Promise<T> {
    await this.publish(condemned);
    return removal();
  }

  async pausedUntil(): Promise<number> {
    return (this.#allUntil + behindSeconds()) * 1000;
  }

  /** Everything counts as leased for the time of one lease, because it is unknown what clients were told before. */
  pause(): void {
    this.#allUntil = Math.ceil(nowSeconds() + this.#options.leaseSeconds);
  }

  note(name: RepositoryName, digests: Iterable<Digest>): Promise<void> | undefined {
    return this.#notes.note(name, digests);
  }

  withNotes<T>(name: RepositoryName, work: (noted: ReadonlySet<Digest>) => Promise<T>): Promise<T> {
    return this.#notes.during(name, new Set(), work);
  }

  save(): SavedLeases {
    const [now, behind] = [nowSeconds(), behindSeconds()];
    const leases: [hash: number, end: number][] = [];
    for (const [hash, end] of this.#leases.entries()) if (end > now) leases.push([hash, end + behind]);
    return { allUntil: this.#allUntil + behind, leases };
  }

  restore({ allUntil, leases }: SavedLeases): void {
    const [now, behind] = [Math.floor(nowSeconds()), behindSeconds()];
    this.#allUntil = Math.max(this.#allUntil, allUntil - behind);
    for (const [hash, end] of leases) this.#leases.set(hash, end - behind, now);
    if (this.#leases.size > this.#options.leasesMax) this.#makeRoom(now);
  }
}

/** Not the system's time: when that is set forward, as after a wrong start of a machine, no lease may end. */
function nowSeconds(): number {
  return clock() / 1000;
}

/** How far this clock is behind the system's time, in whole seconds. */
function behindSeconds(): number {
  return Math.round(Date.now() / 1000 - nowSeconds());
}
