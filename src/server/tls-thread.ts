/** HTTPS in a separate thread, which can demand client certificates and TLS 1.3. */
import type { Logger } from "pino";
import { identityOf } from "../auth/certificate.js";
import type { Config } from "../config/config.js";
import { announcedPeer, type Peer } from "../http/peer.js";
import { Terminator } from "../tls/terminator.js";
import { connectionIdOf } from "../tls/thread-protocol.js";
import type { OpenTls, TlsConnections } from "./opened-tls.js";

const versions = { "tls1.2": "TLSv1.2", "tls1.3": "TLSv1.3" } as const;
const clientAuths = {
  "require-and-verify-client-cert": "required",
  "verify-client-cert-if-given": "optional",
} as const;

export function tlsThread(
  log: Logger,
  settings: NonNullable<Config["http"]["tls"]>,
  { limits, proxies, onRefused }: TlsConnections,
): OpenTls {
  const terminator = new Terminator<Peer>({
    minimumTls: versions[settings.minimumtls],
    clientAuth: clientAuths[settings.clientauth],
    peerOf: ({ address, certificate }) => ({
      address,
      secure: true,
      certified: certificate && identityOf(certificate, settings.clientname),
    }),
    limits,
    proxies,
    onRefused: (address, reason) => log.info({ address, reason }, "client certificate refused"),
    onFull: onRefused,
  });
  return {
    connections: terminator,
    peerOf: announcedPeer((bytes) => terminator.peerOf(connectionIdOf(bytes))),
    use: (credentials) => terminator.use(credentials),
    listen: async (app, host, port, shared) => {
      const listenLocally = (path: string) => app.listenLocally(path);
      const taken = await terminator.listen({ host, port, reusePort: shared }, listenLocally);
      return { host, port: taken, close: () => terminator.stopListening() };
    },
    close: () => terminator.close(),
  };
}
