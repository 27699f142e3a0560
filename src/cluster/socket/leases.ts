/** Leases over all processes. Each keeps those that it granted, and is asked for them before something is removed. */
import type { Digest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Leases, NodeName, ObjectKey } from "../cluster.js";
import type { MemoryLeases } from "../memory/leases.js";
import { digestsMax, leasesMax } from "../schemas.js";
import { Journals } from "./journals.js";
import type { Peer } from "./peer.js";
import { Tokens } from "./tokens.js";

export class SocketLeases implements Leases {
  readonly journals: Journals;
  /** Ends the removals of other processes here, by token. */
  readonly #removals = new Map<string, () => void>();

  constructor(
    readonly peer: Peer,
    readonly tokens: Tokens,
    readonly local: MemoryLeases,
    /** Repositories that were locked when this process joined: their objects may be condemned. */
    readonly inherited: ReadonlyMap<string, Promise<void>>,
  ) {
    this.journals = new Journals(peer, tokens);
    const { handlers } = peer;
    handlers.on("leased", async ({ name, digests }) => [...(await local.leased(name, digests))]);
    handlers.on("condemn", ({ name, digest, token }) => this.#condemnFor(name, digest, token));
    handlers.on("over", ({ token }) => {
      this.#removals.get(token)?.();
      return null;
    });
    handlers.on("adopt", ({ leases }) => {
      local.restore({ allUntil: 0, leases });
      return null;
    });
  }

  grant(key: ObjectKey): void {
    this.local.grant(key);
  }

  renew(key: ObjectKey): void {
    this.local.renew(key);
  }

  async during<T>(
    key: ObjectKey,
    look: () => T | undefined | Promise<T | undefined>,
  ): Promise<T | undefined> {
    if (this.inherited.size > 0) await this.inherited.get(key.slice(0, key.indexOf("@")));
    return this.local.during(key, look);
  }

  async leased(name: RepositoryName, digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    const leased = new Set(await this.local.leased(name, digests));
    for (let at = 0; at < digests.length; at += digestsMax) {
      const part = digests.slice(at, at + digestsMax);
      const given = await this.peer.ask<"leased">({ kind: "leased", name, digests: part });
      for (const found of given.values()) for (const digest of found) leased.add(digest);
    }
    return leased;
  }

  condemn<T>(name: RepositoryName, digest: Digest, removal: () => Promise<T>): Promise<T | "leased"> {
    return this.local.condemn(name, digest, async () => {
      const token = this.tokens.next();
      try {
        const given = await this.peer.ask<"condemn">({ kind: "condemn", name, digest, token });
        // A process that has just ended may have leased it: then everything counts as leased.
        if ([...given.values()].includes(true) || (await this.pausedUntil()) > Date.now()) return "leased";
        return await removal();
      } finally {
        this.peer.tell("others", { kind: "over", token });
      }
    });
  }

  /** Resolves with whether the object is leased here. If not, it counts as removed until the asker has ended. */
  #condemnFor(name: RepositoryName, digest: Digest, token: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const removed = this.local.condemn(name, digest, () => {
        const over = new Promise<void>((end) => {
          this.#removals.set(token, () => {
            this.#removals.delete(token);
            end();
          });
        });
        resolve(false);
        return over;
      });
      removed.then((result) => result === "leased" && resolve(true), reject);
    });
  }

  /** Ends the removals and journals of a process that has ended. */
  gone(node: NodeName): void {
    for (const [token, end] of this.#removals) if (Tokens.isOf(token, node)) end();
    this.journals.gone(node);
  }

  note(name: RepositoryName, digests: Iterable<Digest>): Promise<void> | undefined {
    return this.journals.note(name, digests);
  }

  withJournal<T>(name: RepositoryName, work: (noted: ReadonlySet<Digest>) => Promise<T>): Promise<T> {
    return this.journals.with(name, work);
  }

  pausedUntil(): Promise<number> {
    return this.local.pausedUntil();
  }

  /** Gives the leases of a process that stops to another one. */
  async handOver(to: NodeName): Promise<void> {
    const { leases } = this.local.save();
    for (let at = 0; at < leases.length; at += leasesMax) {
      const part = leases.slice(at, at + leasesMax).map(([hash, end]): [number, number] => [hash, end]);
      await this.peer.askNode<"adopt">(to, { kind: "adopt", leases: part });
    }
  }
}
