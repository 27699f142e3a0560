/**
 * The settings of one of several processes: memory, threads and totals are divided, so that all together use as much as one
 * process would. Limits of one client are those of each process, because its connections may all be at one.
 */
import type { Config } from "../../config/config.js";

const memoryMibMin = 8;

/** Returns the number of processes. A bucket has one for now (docs/decisions/0058). */
export function processesOf({ http, storage }: Config): number {
  return storage.s3 === undefined ? http.processes : 1;
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
      // An attacker may have a connection to each process.
      logins: { ...limits.logins, failures: part(limits.logins.failures) },
      sessions: { ...limits.sessions, total: part(limits.sessions.total) },
    },
  };
}
