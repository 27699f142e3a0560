/** Derives connection limits from the settings and the process's descriptors. Part of the composition root. */
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Logger } from "pino";
import type { Config } from "../config/config.js";
import { ConnectionCounts, type Recount, type Refusal } from "../lib/connection-counts.js";
import { type ConnectionLimits, connectionLimits, connectionsMin } from "../lib/connection-limits.js";
import { memoryMax } from "../lib/memory-max.js";
import { networkOf } from "../lib/network.js";
import { TcpTable } from "../lib/tcp-table.js";
import { whyRelayed } from "./tls-place.js";

/** Descriptors of a connection: one for the client, and with a TLS thread two more between the threads. */
const descriptorsEach = { direct: 1, relayed: 3 } as const;

/** An unfinished head is kept once, and with a TLS thread three times: 178 KB of memory for 61 KB were measured. */
const headsEach = descriptorsEach;

/** An incomplete TLS record, and the state of a TLS connection: 17 to 19 KB were measured (docs/decisions/0056). */
const tlsBytesEach = 20 * 1024;

/** Used if the system does not report a limit: enough for a large machine. */
const descriptorsAssumed = 65_536;

const logMillisecondsMin = 60_000;

/** Returns the limits of one of `processes`, which share the machine's memory. */
export async function openConnectionLimits(
  config: Config,
  log: Logger,
  processes = 1,
): Promise<ConnectionLimits> {
  const { total, perclient: perClient } = config.limits.connections;
  const descriptors = await descriptorsMax();
  const { tls } = config.http;
  const memoryBytes = memoryMax();
  const kind = tls === undefined || whyRelayed(tls) === undefined ? "direct" : "relayed";
  const limits = connectionLimits(
    { total, perClient },
    {
      descriptors,
      descriptorsEach: descriptorsEach[kind],
      memoryBytes,
      memoryBytesEach: headsEach[kind] * config.limits.headerbytes + (tls === undefined ? 0 : tlsBytesEach),
      processes,
      // The TLS thread counts only its own connections.
      clientProcesses: kind === "relayed" ? 1 : processes,
    },
  );
  if (total !== undefined && limits.total < total)
    log.warn(
      { descriptors, connections: limits.total },
      "limits.connections.total was lowered: this process has too few file descriptors; raise its hard limit (LimitNOFILE, ulimit -Hn)",
    );
  if (total === undefined && limits.total <= connectionsMin)
    log.warn(
      { descriptors, memoryBytes, processes, connections: limits.total },
      "there is too little memory, or there are too few file descriptors, for more connections at once; give the server more, lower http.processes, or set limits.connections.total",
    );
  return processes === 1 ? limits : { ...limits, processes };
}

/** Counts connections made directly to `port()`. */
export function openConnectionCounts(limits: ConnectionLimits, port: () => number): ConnectionCounts {
  const recount: Recount = () => openConnections(port());
  return new ConnectionCounts(limits, recount);
}

/** Logs refused connections, at most once a minute. */
export function refusedConnectionsLog(
  limits: ConnectionLimits,
  log: Logger,
): (refusal: Refusal, client?: string) => void {
  let toldAt = Number.NEGATIVE_INFINITY;
  return (refusal, client) => {
    const now = performance.now();
    if (now - toldAt < logMillisecondsMin) return;
    toldAt = now;
    log.warn(
      { ...limits, refusal, client },
      `refusing connections: limits.connections.${refusal === "total" ? "total" : "perclient"} is reached`,
    );
  };
}

/** Returns RLIMIT_NOFILE. Node raises the soft limit to the hard one at startup. */
export async function descriptorsMax(): Promise<number> {
  const text = await readFile("/proc/self/limits", "utf8").catch(() => "");
  const soft = /^Max open files +(\d+)/m.exec(text)?.[1];
  return soft === undefined ? descriptorsAssumed : Number(soft);
}

/** Counts connections by client in the kernel's table. Reads it in pieces, because it may list the connections of a whole machine. */
async function openConnections(port: number): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const file of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const table = new TcpTable(port);
    for await (const piece of createReadStream(file, "latin1")) table.add(piece as string);
    for (const [address, count] of table.counts()) {
      const client = networkOf(address);
      counts.set(client, (counts.get(client) ?? 0) + count);
    }
  }
  return counts;
}
