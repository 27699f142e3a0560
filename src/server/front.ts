/** Opens the layers in front of HTTP: connection limits, trusted proxies and TLS. */
import { TrustedProxies } from "../http/forwarded.js";
import type { ConnectionCounts, Refusal } from "../lib/connection-counts.js";
import { openConnectionCounts, openConnectionLimits, refusedConnectionsLog } from "./connections.js";
import type { OpenedTls } from "./opened-tls.js";
import type { Opening } from "./opening.js";

export interface OpenedFront {
  readonly proxies: TrustedProxies | undefined;
  /** Absent if the server speaks plain HTTP. */
  readonly tls: OpenedTls | undefined;
  readonly counts: ConnectionCounts;
  readonly onRefused: (refusal: Refusal, client?: string) => void;
}

/** `port` returns the server's port once it listens. */
export async function openFront(opening: Opening, port: () => number): Promise<OpenedFront> {
  const { config, log } = opening;
  const { trustedproxies } = config.http;
  const limits = await openConnectionLimits(config, log, opening.group?.count);
  const onRefused = refusedConnectionsLog(limits, log);
  const tls =
    config.http.tls &&
    (await (
      await import("./tls.js")
    ).openTls(opening, config.http.tls, {
      limits,
      proxies: trustedproxies,
      onRefused,
    }));
  return {
    proxies: trustedproxies.length === 0 ? undefined : new TrustedProxies(trustedproxies),
    tls,
    counts: openConnectionCounts(limits, port),
    onRefused,
  };
}
