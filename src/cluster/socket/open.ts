/** The cluster of several processes that serve one store on one machine. */
import { randomBytes } from "node:crypto";
import type { NoteStore } from "../../storage/storage.js";
import type { Cluster, Hints, NodeName } from "../cluster.js";
import { MemoryLeases } from "../memory/leases.js";
import { restoreLeases, saveLeases } from "../memory/saved-leases.js";
import { nodeName } from "../node-name.js";
import { SocketChanges } from "./changes.js";
import type { FollowBounds } from "./followed-tags.js";
import type { Hub } from "./hub.js";
import { SocketLeases } from "./leases.js";
import { answerLocks, SocketLocks } from "./locks.js";
import { SocketOnce } from "./once.js";
import type { Peer } from "./peer.js";
import { Tokens } from "./tokens.js";
import { SocketUploads } from "./uploads.js";

/** As in an ID of a session. */
const digitBytes = 6;

/** Returns a name that no earlier process had, because IDs of sessions outlive it. */
export function newNodeName(): NodeName {
  return nodeName(randomBytes(digitBytes).toString("hex"));
}

export interface SocketOptions {
  readonly leaseSeconds: number;
  /** Called when collection pauses, with its end in milliseconds since the epoch. */
  readonly onPaused?: (until: number) => void;
  /** Called with errors of listeners that are not reported to a publisher. */
  readonly onError: (error: unknown) => void;
  readonly follow?: FollowBounds | undefined;
}

/** A process's view of the cluster. */
export interface SocketCluster extends Cluster {
  readonly peer: Peer;
  /** Restores the leases saved by the previous process. `fresh` states that there was none. */
  restore(notes: NoteStore, fresh: boolean): Promise<void>;
  save(notes: NoteStore): Promise<void>;
  pause(): void;
  /** Gives this process's leases to another one. Call it when no request is running. */
  handOver(to: NodeName): Promise<void>;
}

/** The view of the first process, which has the hub. */
export function hubCluster(hub: Hub, own: Peer, options: SocketOptions): SocketCluster {
  return clusterOf(own, { ...options, onPaused: (until) => hub.pauseUntil(until) }).cluster;
}

/** Joins the cluster. Resolves when other processes know of this one. */
export async function joinCluster(peer: Peer, options: SocketOptions): Promise<SocketCluster> {
  const { cluster, leases } = clusterOf(peer, options);
  const { pausedUntil } = await peer.askHub<"join">({ kind: "join" });
  leases.local.restore({ allUntil: Math.ceil(pausedUntil / 1000), leases: [] });
  return cluster;
}

function clusterOf(peer: Peer, { leaseSeconds, onPaused, onError, follow }: SocketOptions) {
  const repositoryLocks = new SocketLocks("repository", peer);
  const targetLocks = new SocketLocks("target", peer);
  const maintenanceLocks = new SocketLocks("maintenance", peer);
  const all: SocketLocks<string>[] = [repositoryLocks, targetLocks, maintenanceLocks];
  answerLocks(peer, all);
  const changes = new SocketChanges(peer, onError, follow);
  const tokens = new Tokens(peer.name);
  const local = new MemoryLeases({ leaseSeconds }, (change) => changes.tell(change, "elsewhere"));
  const leases = new SocketLeases(peer, tokens, local, repositoryLocks.inherited);
  const once = new SocketOnce(peer);
  const tellPaused = async () => onPaused?.(await local.pausedUntil());
  peer.handlers.on("gone", async ({ node, hasCrashed }) => {
    leases.gone(node);
    if (!hasCrashed) return null;
    local.pause();
    await tellPaused();
    await changes.tell({ kind: "lost" }, "elsewhere");
    return null;
  });
  const cluster: SocketCluster = {
    peer,
    repositoryLocks,
    targetLocks,
    maintenanceLocks,
    changes,
    leases,
    uploads: new SocketUploads(peer),
    once: (key, work, onNote) => once.run(key, work, onNote),
    hints: hintsOf(peer),
    restore: async (notes, fresh) => {
      await restoreLeases(local, notes, fresh);
      await tellPaused();
    },
    save: (notes) => saveLeases(local, notes),
    pause: () => local.pause(),
    handOver: (to) => leases.handOver(to),
  };
  return { cluster, leases };
}

function hintsOf(peer: Peer): Hints {
  return {
    get: async (key) => (await peer.askHub<"hint">({ kind: "hint", key }).catch(() => null)) ?? undefined,
    put: (key, value, milliseconds) => peer.tell("hub", { kind: "put hint", key, value, milliseconds }),
  };
}
