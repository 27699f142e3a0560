/**
 * The settings of one of several processes: memory, threads and totals are divided, so that all together use as much as one
 * process would. Limits of one client stay, because its connections may all be at one: the processes report its use to each
 * other (`lib/shared-limits.ts`).
 */
import { access, constants } from "node:fs/promises";
import { availableParallelism } from "node:os";
import type { Config } from "../../config/config.js";
import { processesMax } from "../../config/http.js";
import { memoryMax } from "../../lib/memory-max.js";
import { whyRelayed } from "../tls-place.js";

const memoryMibMin = 8;

/**
 * Memory for each process under load, and for its clients' connections. `npm run attack` gives one process 512 MiB; with
 * 500 MB each, a container with 1 GB has two.
 */
const processMegabytes = 500;
const megabyte = 1_000_000;

/**
 * Returns the number of processes. By default one, because two for four cores would leave too few for workers: from eight cores
 * on a quarter, because a front end keeps about three other cores busy with bodies and system calls (docs/decisions/0058). Fewer
 * if memory is scarce.
 */
export function processesOf(
  config: Config,
  cores = availableParallelism(),
  memoryBytes = memoryMax(),
): number {
  if (oneProcessReason(config) !== undefined) return 1;
  const affordable = Math.floor(memoryBytes / (processMegabytes * megabyte));
  return config.http.processes ?? Math.max(1, Math.min(processesMax, Math.floor(cores / 4), affordable));
}

/** Returns a warning if the memory is too small for so many processes. */
export function memoryWarning(processes: number, memoryBytes = memoryMax()): string | undefined {
  const megabytes = Math.floor(memoryBytes / megabyte);
  if (processes === 1 || megabytes >= processes * processMegabytes) return undefined;
  return (
    `${processes} processes share ${megabytes} MB of memory, and may need ${processMegabytes} MB each under load; ` +
    "lower http.processes, or give the server more memory"
  );
}

/** Returns why these settings allow only one process (docs/decisions/0058). */
export function oneProcessReason(
  { http, storage }: Config,
  node = process.versions.node,
): string | undefined {
  if (storage.s3 !== undefined)
    return "a bucket (storage.s3) has one process; to use more cores, run several nodes with redis.addrs (docs/cluster.md)";
  if (http.tls !== undefined && whyRelayed(http.tls) !== undefined && !sharesPorts(node))
    return "with http.tls, several processes need Node 22.12 or later";
  return undefined;
}

/** Returns why this store allows only one process. */
export async function readOnlyReason({ storage }: Config): Promise<string | undefined> {
  const root = storage.filesystem.rootdirectory;
  const error = await access(root, constants.W_OK).catch((cause: NodeJS.ErrnoException) => cause);
  // Without a store for secrets, each process would sign tokens with a key of its own.
  return error?.code === "EROFS" ? "the file system of the store is read-only" : undefined;
}

/** Node's own servers, which accept TLS connections, can share a port from this version on. */
function sharesPorts(node: string): boolean {
  const [major = 0, minor = 0] = node.split(".").map(Number);
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}

/** Returns the settings of the process with that number. Its logs have the number as a field. */
export function shareOf(config: Config, count: number, number: number): Config {
  if (count === 1) return config;
  const part = (total: number) => Math.max(1, Math.ceil(total / count));
  const { uploads, limits, log } = config;
  return {
    ...config,
    log: { ...log, fields: { ...log.fields, process: String(number) } },
    uploads: {
      ...uploads,
      workers: part(uploads.workers),
      memorymib: Math.max(memoryMibMin, Math.floor(uploads.memorymib / count)),
    },
    limits: {
      ...limits,
      connections: {
        ...limits.connections,
        total: limits.connections.total === undefined ? undefined : part(limits.connections.total),
      },
      uploads: { ...limits.uploads, total: part(limits.uploads.total) },
      forms: { ...limits.forms, total: part(limits.forms.total) },
      sessions: { ...limits.sessions, total: part(limits.sessions.total) },
    },
  };
}
