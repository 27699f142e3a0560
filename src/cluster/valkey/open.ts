/** The cluster of a registry with several nodes, over Valkey or Redis. */
import type { NodeRecords } from "../../storage/node-records.js";
import type { Cluster } from "../cluster.js";
import { Burials, type Processes } from "./burials.js";
import { ValkeyChanges } from "./changes.js";
import { Engine, type EngineOptions } from "./engine.js";
import { Held } from "./held.js";
import { ValkeyHints } from "./hints.js";
import { ValkeyLeases } from "./leases.js";
import { answerLocks, ValkeyLocks } from "./locks.js";
import { Membership } from "./membership.js";
import { Messages } from "./messages.js";
import { ValkeyOnce } from "./once.js";
import { defaultTimes, type Times } from "./times.js";
import { ValkeyUploads } from "./uploads.js";

export interface ValkeyOptions {
  readonly engine: EngineOptions;
  /** Identifies the store among all that share the engine. */
  readonly storeId: string;
  readonly leaseSeconds: number;
  /** Whether this process has created the store. */
  readonly fresh: boolean;
  /** Where nodes without the engine are recorded. */
  readonly records: NodeRecords;
  readonly onError: (error: unknown) => void;
  readonly times?: Times;
  /** Absent if this node cannot tell whether the process of another one has ended. */
  readonly processes?: Processes;
}

export interface ValkeyCluster extends Cluster {
  /** Number of commands sent to the engine, by kind. */
  readonly sent: ReadonlyMap<string, number>;
  /** Number of registered nodes, with this one. */
  readonly nodes: number;
  /** Whether this node and all others are in touch. */
  readonly isWhole: boolean;
  /** Identifies the memory of the engine. */
  readonly epoch: string;
  /** Call it when no request is running. */
  close(): Promise<void>;
}

/** Rejects if the engine does not answer. */
export async function openValkeyCluster(options: ValkeyOptions): Promise<ValkeyCluster> {
  const { storeId, leaseSeconds, fresh, records, onError, times = defaultTimes, processes } = options;
  const engine = new Engine(options.engine, `gantry:${storeId}:`, onError);
  const members = new Membership(engine, {
    times,
    leaseSeconds,
    fresh,
    records,
    process: processes?.own ?? "",
    onError,
  });
  const burials = processes && new Burials(engine, members, processes, onError);
  const messages = new Messages(engine, members, onError);
  const held = new Held(engine, members, onError);
  const parts = { members, messages, held };
  const changes = new ValkeyChanges(members, messages, onError);
  const repositoryLocks = new ValkeyLocks("repository", parts);
  const targetLocks = new ValkeyLocks("target", parts);
  const maintenanceLocks = new ValkeyLocks("maintenance", parts);
  answerLocks(messages, [repositoryLocks, targetLocks, maintenanceLocks]);
  const leases = new ValkeyLeases(
    parts,
    leaseSeconds,
    (change) => changes.tell(change, "elsewhere"),
    repositoryLocks.inherited,
  );
  const uploads = new ValkeyUploads(engine, members, messages);
  const once = new ValkeyOnce(engine, members, held, messages);
  messages.on("leaving", (_, from) => {
    members.left(from);
    return null;
  });
  const close = async () => {
    burials?.stop();
    const pause = await leases.handOver(engine);
    messages.tell({ kind: "leaving" });
    held.stop();
    messages.stop();
    await members.stop(pause);
    engine.close();
  };
  try {
    await engine.connect(messages.channels, (channel, text) => messages.receive(channel, text));
    await engine.checkMemory();
    await members.start();
    await leases.takeOver(engine);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    changes,
    repositoryLocks,
    targetLocks,
    maintenanceLocks,
    leases,
    uploads,
    once: (key, work, onNote) => once.run(key, work, onNote),
    hints: new ValkeyHints(engine, members),
    sent: engine.sent,
    get nodes() {
      return members.others().length + 1;
    },
    get isWhole() {
      return members.isComplete;
    },
    get epoch() {
      return members.epoch;
    },
    close,
  };
}
