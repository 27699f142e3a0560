import type { Digest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Referrer, ReferrerStore } from "../storage.js";
import type { MemoryData } from "./memory-data.js";

export class MemoryReferrers implements ReferrerStore {
  constructor(readonly data: MemoryData) {}

  #of(name: RepositoryName, subject: Digest): ReadonlyMap<Digest, Referrer | undefined> {
    return this.data.repositories.get(name)?.referrers.get(subject) ?? new Map();
  }

  async add(name: RepositoryName, subject: Digest, referrer: Referrer): Promise<void> {
    const { referrers } = this.data.made(name);
    const known = referrers.get(subject) ?? new Map<Digest, Referrer>();
    referrers.set(subject, known.set(referrer.digest, structuredClone(referrer)));
  }

  async remove(name: RepositoryName, subject: Digest, referrer: Digest): Promise<void> {
    const referrers = this.data.repositories.get(name)?.referrers;
    const known = referrers?.get(subject);
    known?.delete(referrer);
    if (known?.size === 0) referrers?.delete(subject);
  }

  async *list(name: RepositoryName, subject: Digest, after?: Digest): AsyncIterable<Referrer> {
    const known = this.#of(name, subject);
    for (const digest of [...known.keys()].sort()) {
      const referrer = known.get(digest);
      if (referrer !== undefined && (after === undefined || digest > after)) yield referrer;
    }
  }

  async has(name: RepositoryName, subject: Digest, referrer: Digest): Promise<boolean> {
    return this.#of(name, subject).has(referrer);
  }

  async find(name: RepositoryName, subject: Digest, referrer: Digest): Promise<Referrer | undefined> {
    return this.#of(name, subject).get(referrer);
  }

  async *all(name: RepositoryName): AsyncIterable<{ subject: Digest; referrer: Digest }> {
    for (const [subject, referrers] of this.data.repositories.get(name)?.referrers ?? [])
      for (const referrer of referrers.keys()) yield { subject, referrer };
  }
}
