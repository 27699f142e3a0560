/** Decides which thread speaks TLS (docs/decisions/0056). */
import type { Config } from "../config/config.js";
import { uwsBuild } from "../http/uws-build.js";

type TlsSettings = NonNullable<Config["http"]["tls"]>;

/**
 * Returns why a thread of its own speaks TLS and relays the plain bytes, or `undefined` if uWebSockets.js does so in the main
 * thread, which takes less CPU time.
 */
export function whyRelayed({ clientcas, minimumtls }: TlsSettings): string | undefined {
  if (clientcas.length > 0) return "http.tls.clientcas is set";
  if (minimumtls !== "tls1.2") return "http.tls.minimumtls is set";
  if (!uwsBuild().passesConnections)
    return `with Node ${process.versions.node}, uWebSockets.js could not change its certificate: use Node 24`;
  return undefined;
}
