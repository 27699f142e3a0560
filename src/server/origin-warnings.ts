/**
 * Warns if settings about the address by which clients reach the server are missing. Logs each of the two warnings once,
 * because any client can trigger them. Part of the composition root.
 */
import type { Logger } from "pino";
import type { Config } from "../config/config.js";
import type { OriginWarning } from "../http/error-headers.js";

const warnings = {
  unknown:
    "the address by which clients reach this server is unknown: they must send name and password with each request " +
    "instead of a token; set http.host to that address, or http.trustedproxies to the address of your TLS proxy",
  untrusted:
    "a proxy that is not in http.trustedproxies reports https: its clients are sent to https anyway, but count as one " +
    "client; set http.trustedproxies to its address",
} as const;

export function originWarnings(log: Logger): OriginWarning {
  const told = new Set<keyof typeof warnings>();
  return ({ host, peer }, problem) => {
    if (told.has(problem)) return;
    told.add(problem);
    log.warn({ host: host.slice(0, 256), address: peer.address }, warnings[problem]);
  };
}

/** Returns whether network clients must send name and password, because the settings do not tell how they reach this server. */
export function originIsUnknown({ auth, http }: Config): boolean {
  const wantsTokens = auth.challenge === "bearer" && auth.tokenservice.enabled && auth.token === undefined;
  return wantsTokens && http.tls === undefined && http.host === undefined && http.trustedproxies.length === 0;
}
