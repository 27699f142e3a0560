/** Leases over all processes of a server. */
import type { Digest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { batchesOf } from "../../lib/batches.js";
import type { Leases, NodeName } from "../cluster.js";
import type { MemoryLeases } from "../memory/leases.js";
import { NodeLeases } from "../node-leases.js";
import { digestsMax, leasesMax } from "../schemas.js";
import { SocketNotes } from "./notes.js";
import type { Peer } from "./peer.js";
import type { Tokens } from "./tokens.js";

export class SocketLeases extends NodeLeases implements Leases {
  readonly notes: SocketNotes;

  constructor(
    readonly peer: Peer,
    readonly tokens: Tokens,
    local: MemoryLeases,
    inherited: ReadonlyMap<string, Promise<void>>,
  ) {
    super(local, inherited);
    this.notes = new SocketNotes(peer, tokens);
    const { handlers } = peer;
    handlers.on("leased", async ({ name, digests }) => [...(await local.leased(name, digests))]);
    handlers.on("condemn", ({ name, digest, token }) => this.condemnFor(name, digest, token));
    handlers.on("over", ({ token }) => {
      this.over(token);
      return null;
    });
    handlers.on("adopt", ({ allUntil, leases }) => {
      local.restore({ allUntil, leases });
      return null;
    });
  }

  async leased(name: RepositoryName, digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    const leased = new Set(await this.local.leased(name, digests));
    for (const part of batchesOf(digests, digestsMax)) {
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

  /** `gone` ends them. */
  protected watch(): () => void {
    return () => {};
  }

  /** Ends the removals of a process that has ended, and its requests for notes. */
  override gone(node: NodeName): void {
    super.gone(node);
    this.notes.gone(node);
  }

  note(name: RepositoryName, digests: Iterable<Digest>): Promise<void> | undefined {
    return this.notes.note(name, digests);
  }

  withNotes<T>(name: RepositoryName, work: (noted: ReadonlySet<Digest>) => Promise<T>): Promise<T> {
    return this.notes.with(name, work);
  }

  pausedUntil(): Promise<number> {
    return this.local.pausedUntil();
  }

  /** Gives the leases of a process that stops to another one. */
  async handOver(to: NodeName): Promise<void> {
    const { allUntil, leases } = this.local.save();
    // If this process had too many leases, `allUntil` stands for those that it has dropped. It counts without others, too.
    for (const part of [[], ...batchesOf(leases, leasesMax)])
      await this.peer.askNode<"adopt">(to, {
        kind: "adopt",
        allUntil,
        leases: part.map(([hash, end]) => [hash, end]),
      });
  }
}
