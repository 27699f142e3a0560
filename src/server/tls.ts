/** Opens HTTPS as set in the settings, with certificates that reload when their files change. Part of the composition root. */
import type { Logger } from "pino";
import { identityOf } from "../auth/certificate.js";
import type { Config } from "../config/config.js";
import { asConfigError } from "../config/errors.js";
import { followFiles } from "../config/followed-files.js";
import type { App, Listening } from "../http/app.js";
import { announcedPeer, type Peer, type PeerLookup } from "../http/peer.js";
import type { Refusal } from "../lib/connection-counts.js";
import type { ConnectionLimits } from "../lib/connection-limits.js";
import type { Connections } from "../observe/metrics/connections.js";
import { type CredentialFiles, expiryOf, pathsOf, readCredentials } from "../tls/credentials.js";
import { Terminator } from "../tls/terminator.js";
import { type Credentials, connectionIdOf } from "../tls/thread-protocol.js";
import type { Opening } from "./opening.js";

export interface TlsConnections {
  readonly limits: ConnectionLimits;
  readonly proxies: readonly string[];
  readonly onRefused: (refusal: Refusal) => void;
}

export interface OpenedTls {
  readonly connections: Connections;
  readonly peerOf: PeerLookup;
  /** Serves `app` by HTTPS. Rejects if it cannot listen; close it in that case, too. */
  listen(app: App, host: string, port: number): Promise<Listening>;
}

const versions = { "tls1.2": "TLSv1.2", "tls1.3": "TLSv1.3" } as const;
const clientAuths = {
  "require-and-verify-client-cert": "required",
  "verify-client-cert-if-given": "optional",
} as const;

/** Rejects with `ConfigError` if the certificate, the key or a CA cannot be used. */
export async function openTls(
  { log, closers }: Pick<Opening, "log" | "closers">,
  settings: NonNullable<Config["http"]["tls"]>,
  { limits, proxies, onRefused }: TlsConnections,
): Promise<OpenedTls> {
  const files: CredentialFiles = {
    certificate: settings.certificate,
    key: settings.key,
    clientCas: settings.clientcas,
  };
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
  const following = await followFiles(pathsOf(files), {
    take: async (texts) => {
      const credentials = readCredentials(files, texts);
      terminator.use(credentials);
      tellOf(credentials, files.certificate, log);
    },
    onBroken: (error) =>
      log.error(
        { err: error },
        "the changed certificate files cannot be used: the previous ones stay in effect",
      ),
  }).catch(asConfigError("http.tls"));
  closers.add("TLS", async () => {
    await following.stop();
    await terminator.close();
  });
  return {
    connections: terminator,
    peerOf: announcedPeer((bytes) => terminator.peerOf(connectionIdOf(bytes))),
    listen: async (app, host, port) => {
      const listenLocally = (path: string) => app.listenLocally(path);
      const taken = await terminator.listen(host, port, listenLocally);
      return { host, port: taken, close: () => terminator.stopListening() };
    },
  };
}

function tellOf(credentials: Credentials, certificate: string, log: Logger): void {
  const validTo = expiryOf(credentials);
  if (validTo.getTime() < Date.now())
    log.error({ certificate, validTo }, "the server's certificate has expired");
  else log.info({ certificate, validTo }, "server certificate loaded");
}
