/** The view that each process of a server has of the others. */
import type { Cluster } from "../../cluster/cluster.js";
import { digitsOf } from "../../cluster/node-name.js";
import { exclusiveOnly } from "../../cluster/socket/hub-locks.js";
import type { SocketCluster } from "../../cluster/socket/open.js";
import type { Peer } from "../../cluster/socket/peer.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { allEnded } from "../../lib/in-parallel.js";
import type { StorePeers } from "../../storage/filesystem/peers.js";
import type { Calls } from "./calls.js";
import { ReportedLimits } from "./reported-limits.js";
import { SharedHealth } from "./shared-health.js";

export interface ProcessGroup {
  /** The first process has number 1. */
  readonly number: number;
  /** Number of processes. */
  readonly count: number;
  readonly isFirst: boolean;
  readonly calls: Calls;
  readonly storePeers: StorePeers;
  /** The limits of one client, which hold over all processes. */
  readonly limits: ReportedLimits;
  readonly health: SharedHealth;
  /** Messages that this process has sent to others. */
  readonly sent: () => number;
  /** Rejects if the first process fails. */
  askFirst(service: string, payload: unknown): Promise<unknown>;
  /** Opens the cluster when the store is open. */
  join(leaseSeconds: number): Promise<SocketCluster>;
  /** Removes the temporary files of a process that has crashed. A failure of one part leaves the others to theirs. */
  cleanUp(digits: string): Promise<void>;
}

export interface GroupParts {
  readonly number: number;
  readonly count: number;
  readonly peer: Peer;
  readonly calls: Calls;
  readonly sent: () => number;
  /** How this process reaches the first one, which has number 1. */
  tellFirst(service: string, payload: unknown): void;
  askFirst(service: string, payload: unknown): Promise<unknown>;
  open(leaseSeconds: number): Promise<SocketCluster>;
}

export function groupOf({
  number,
  count,
  peer,
  calls,
  tellFirst,
  askFirst,
  sent,
  open,
}: GroupParts): ProcessGroup {
  const onEmptied: ((name: RepositoryName) => void)[] = [];
  const onCrashed: ((digits: string) => Promise<void>)[] = [];
  const isFirst = number === 1;
  return {
    number,
    count,
    isFirst,
    calls,
    askFirst,
    sent,
    limits: new ReportedLimits(number, count, calls),
    health: new SharedHealth({ number, count, calls, tellFirst }),
    storePeers: {
      isFirst,
      digits: digitsOf(peer.name),
      exclusive: (key, work) => exclusive(peer, key, work),
      ask: (service, payload) => calls.ask(service, payload),
      askFirst,
      tellFirst,
      shareClock: (clock) => {
        peer.clocks.clock = clock;
      },
      answer: (service, handler) => calls.answer(service, handler),
      onEmptied: (listener) => void onEmptied.push(listener),
      onCrashed: (listener) => void onCrashed.push(listener),
    },
    cleanUp: async (digits) => {
      await allEnded(onCrashed.map((listener) => listener(digits)));
    },
    join: async (leaseSeconds) => {
      const cluster = await open(leaseSeconds);
      tellEmptied(cluster, onEmptied);
      return cluster;
    },
  };
}

async function exclusive<T>(peer: Peer, key: string, work: () => Promise<T>): Promise<T> {
  const token = await peer.askHub<"enter">({ kind: "enter", lock: exclusiveOnly, key });
  try {
    return await work();
  } finally {
    peer.tell("hub", { kind: "leave", token });
  }
}

function tellEmptied({ changes }: Cluster, listeners: readonly ((name: RepositoryName) => void)[]): void {
  changes.subscribe((change, origin) => {
    if (change.kind === "repository-emptied" && origin === "elsewhere")
      for (const listener of listeners) listener(change.name);
    return undefined;
  });
}
