/**
 * What the collector must leave alone. A client that was told of a blob or manifest (201, mount, HEAD, GET)
 * has a lease on it in that repository: it may go on to push a manifest that names it. What is named while
 * a repository is being collected is noted beside, so that the collector needs the repository's lock only
 * for the moment in which it removes.
 */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";

export type ObjectKey = `${RepositoryName}@${Digest}`;

/** As it is kept across a restart. Times are milliseconds since the epoch. */
export interface SavedProtection {
  readonly allUntil: number;
  readonly leases: readonly (readonly [ObjectKey, number])[];
}

export interface ProtectionOptions {
  readonly leaseSeconds: number;
  /** Leases at a time, some 200 bytes each. Beyond them the oldest protects everything until it ends. */
  readonly leasesMax: number;
}

export const defaultProtection: ProtectionOptions = { leaseSeconds: 6 * 3600, leasesMax: 200_000 };

/** The grant of one lease, to take back just that one. */
export type Lease = number;

export class Protection {
  /** Ends of the leases, the one granted first in front. */
  readonly #leases = new Map<ObjectKey, Lease>();
  readonly #condemned = new Set<ObjectKey>();
  readonly #journals = new Map<RepositoryName, Set<Digest>>();
  readonly #options: ProtectionOptions;
  /** Until then nothing may be collected: not all leases are known. */
  #allUntil = 0;
  #last = 0;

  constructor(options: Partial<ProtectionOptions> = {}) {
    this.#options = { ...defaultProtection, ...options };
  }

  /** Grants a lease from now on. To be called before it is looked whether the object is there. */
  grant(key: ObjectKey): Lease {
    // Each lease is told from every other by its end: thousandths of a millisecond are spare.
    const lease = Math.max(Date.now() + this.#options.leaseSeconds * 1000, this.#last + 0.001);
    this.#last = lease;
    this.#leases.delete(key);
    this.#leases.set(key, lease);
    if (this.#leases.size > this.#options.leasesMax) this.#dropOldest();
    return lease;
  }

  /** The same for an object that is known to be there: a lease that has most of its time left will do. */
  renew(key: ObjectKey): void {
    const enough = Date.now() + this.#options.leaseSeconds * 750;
    if ((this.#leases.get(key) ?? 0) < enough) this.grant(key);
  }

  /** Takes a lease back: there is no such object. */
  retract(key: ObjectKey, lease: Lease): void {
    if (this.#leases.get(key) === lease) this.#leases.delete(key);
  }

  #dropOldest(): void {
    const [oldest] = this.#leases;
    if (oldest === undefined) return;
    this.#leases.delete(oldest[0]);
    this.#allUntil = Math.max(this.#allUntil, oldest[1]);
  }

  protects(key: ObjectKey): boolean {
    const now = Date.now();
    return this.#allUntil > now || (this.#leases.get(key) ?? 0) > now;
  }

  /** Milliseconds since the epoch until which everything is protected. */
  get allUntil(): number {
    return this.#allUntil;
  }

  /** Protects everything for the time of a lease: whoever was told of something before is not known. */
  protectAll(): void {
    this.#allUntil = Date.now() + this.#options.leaseSeconds * 1000;
  }

  /** Whether the object is being removed at this moment. */
  isCondemned(key: ObjectKey): boolean {
    return this.#condemned.has(key);
  }

  /** Runs the removal of an object. To be called in the same turn as `protects`. */
  async condemn<T>(key: ObjectKey, removal: () => Promise<T>): Promise<T> {
    this.#condemned.add(key);
    try {
      return await removal();
    } finally {
      this.#condemned.delete(key);
    }
  }

  /** Tells what a manifest that is pushed or tagged now names, itself included. */
  note(name: RepositoryName, digests: Iterable<Digest>): void {
    const journal = this.#journals.get(name);
    if (journal !== undefined) for (const digest of digests) journal.add(digest);
  }

  /** Runs `work` with all that is noted of the repository meanwhile. One at a time for a repository. */
  async withJournal<T>(name: RepositoryName, work: (noted: ReadonlySet<Digest>) => Promise<T>): Promise<T> {
    if (this.#journals.has(name))
      throw new Error("invariant broken: a repository is collected once at a time");
    const journal = new Set<Digest>();
    this.#journals.set(name, journal);
    try {
      return await work(journal);
    } finally {
      this.#journals.delete(name);
    }
  }

  save(): SavedProtection {
    const now = Date.now();
    return { allUntil: this.#allUntil, leases: [...this.#leases].filter(([, lease]) => lease > now) };
  }

  restore({ allUntil, leases }: SavedProtection): void {
    this.#allUntil = Math.max(this.#allUntil, allUntil);
    for (const [key, lease] of leases) {
      this.#leases.set(key, lease);
      this.#last = Math.max(this.#last, lease);
      if (this.#leases.size > this.#options.leasesMax) this.#dropOldest();
    }
  }
}
