/**
 * Tells whoever runs the server that settings are missing by which it would know how clients reach it. Once for each of
 * the two, since any client can bring it about. Part of the composition root.
 */
import type { Logger } from "pino";
import type { Config } from "../config/config.js";
import type { OriginWarning } from "../http/error-headers.js";

const warnings = {
  unknown:
    "it is not known by which address clients reach this server: they are asked for name and password at each request, " +
    "not for a token; set http.host to that address, or http.trustedproxies to that of the TLS proxy before this server",
  untrusted:
    "a proxy says https, which http.trustedproxies does not name: its clients are sent to https all the same, but count " +
    "as one; set http.trustedproxies to its address",
} as const;

export function originWarnings(log: Logger): OriginWarning {
  const told = new Set<keyof typeof warnings>();
  return ({ host, peer }, problem) => {
    if (told.has(problem)) return;
    told.add(problem);
    log.warn({ host: host.slice(0, 256), address: peer.address }, warnings[problem]);
  };
}

/** Whether clients that come over a network will be asked for name and password, since nothing says how they reach this server. */
export function originIsUnknown({ auth, http }: Config): boolean {
  const wantsTokens = auth.challenge === "bearer" && auth.tokenservice.enabled && auth.token === undefined;
  return wantsTokens && http.tls === undefined && http.host === undefined && http.trustedproxies.length === 0;
}
