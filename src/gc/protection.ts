/**
 * What the collector must leave alone. A client that was told of a blob or manifest (201, mount, HEAD, GET)
 * has a lease on it in that repository: it may go on to push a manifest that names it. What is named while
 * a repository is being collected is noted beside, so that the collector needs the repository's lock only
 * for the moment in which it removes.
 */
import type { Digest } from "../domain/digest.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { LeaseTable, leaseHash } from "./lease-table.js";

export type ObjectKey = `${RepositoryName}@${Digest}`;

/** As it is kept across a restart: hashes of what leases are of, and their ends. Times are seconds since the epoch. */
export interface SavedProtection {
  readonly allUntil: number;
  readonly leases: readonly (readonly [hash: number, end: number])[];
}

export interface ProtectionOptions {
  readonly leaseSeconds: number;
  /** Leases at a time, 20 to 40 bytes each. Beyond them the older half protects everything until it has ended. */
  readonly leasesMax: number;
}

/** For six hours of 90 objects a second (docs/decisions/0020). */
export const defaultProtection: ProtectionOptions = { leaseSeconds: 6 * 3600, leasesMax: 2_000_000 };

export class Protection {
  readonly #leases = new LeaseTable();
  /** What somebody is looking for at this moment, with how many do. */
  readonly #looks = new Map<ObjectKey, number>();
  readonly #condemned = new Set<ObjectKey>();
  readonly #journals = new Map<RepositoryName, Set<Set<Digest>>>();
  readonly #options: ProtectionOptions;
  /** Until then nothing may be collected, in seconds since the epoch: not all leases are known. */
  #allUntil = 0;

  constructor(options: Partial<ProtectionOptions> = {}) {
    this.#options = { ...defaultProtection, ...options };
  }

  /** Grants a lease from now on. */
  grant(key: ObjectKey): void {
    this.#grant(leaseHash(key), nowSeconds());
  }

  /** The same for an object that is known to be there: a lease that has most of its time left will do. */
  renew(key: ObjectKey): void {
    const hash = leaseHash(key);
    const now = nowSeconds();
    if (this.#leases.endOf(hash) < now + this.#options.leaseSeconds * 0.75) this.#grant(hash, now);
  }

  #grant(hash: number, now: number): void {
    // Ends are whole seconds: a lease of none would last for a part of one.
    if (this.#options.leaseSeconds === 0) return;
    this.#leases.set(hash, Math.ceil(now + this.#options.leaseSeconds), Math.floor(now));
    if (this.#leases.size > this.#options.leasesMax) this.#makeRoom(Math.floor(now));
  }

  /**
   * What `look` finds, protected while it is looked for, and with a lease from then on where it is there: so
   * that there is no moment at which it could go.
   */
  async during<T>(key: ObjectKey, look: () => Promise<T | undefined>): Promise<T | undefined> {
    this.#looks.set(key, (this.#looks.get(key) ?? 0) + 1);
    try {
      const found = await look();
      if (found !== undefined) this.grant(key);
      return found;
    } finally {
      const left = (this.#looks.get(key) ?? 1) - 1;
      if (left === 0) this.#looks.delete(key);
      else this.#looks.set(key, left);
    }
  }

  /** Where all the leases are current, those of the older half are forgotten, and with that what they are of. */
  #makeRoom(now: number): void {
    this.#leases.sweep(now);
    if (this.#leases.size <= this.#options.leasesMax * 0.9) return;
    const ends = Uint32Array.from(this.#leases.entries(), ([, end]) => end).sort();
    const median = ends[ends.length >> 1] ?? now;
    this.#leases.sweep(median);
    this.#allUntil = Math.max(this.#allUntil, median);
  }

  protects(key: ObjectKey): boolean {
    const now = nowSeconds();
    return this.#allUntil > now || this.#looks.has(key) || this.#leases.endOf(leaseHash(key)) > now;
  }

  /** Milliseconds since the epoch until which everything is protected. */
  get allUntil(): number {
    return this.#allUntil * 1000;
  }

  /** Protects everything for the time of a lease: whoever was told of something before is not known. */
  protectAll(): void {
    this.#allUntil = Math.ceil(nowSeconds() + this.#options.leaseSeconds);
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
    const journals = this.#journals.get(name);
    if (journals === undefined) return;
    for (const digest of digests) for (const journal of journals) journal.add(digest);
  }

  /** Runs `work` with all that is noted of the repository meanwhile. */
  async withJournal<T>(name: RepositoryName, work: (noted: ReadonlySet<Digest>) => Promise<T>): Promise<T> {
    const journal = new Set<Digest>();
    const journals = this.#journals.get(name) ?? new Set();
    this.#journals.set(name, journals.add(journal));
    try {
      return await work(journal);
    } finally {
      journals.delete(journal);
      if (journals.size === 0) this.#journals.delete(name);
    }
  }

  save(): SavedProtection {
    const now = nowSeconds();
    return { allUntil: this.#allUntil, leases: [...this.#leases.entries()].filter(([, end]) => end > now) };
  }

  restore({ allUntil, leases }: SavedProtection): void {
    const now = Math.floor(nowSeconds());
    this.#allUntil = Math.max(this.#allUntil, allUntil);
    for (const [hash, end] of leases) this.#leases.set(hash, end, now);
    if (this.#leases.size > this.#options.leasesMax) this.#makeRoom(now);
  }
}

function nowSeconds(): number {
  return Date.now() / 1000;
}
