/** Opens HTTPS as set in the settings, with certificates that reload when their files change. Part of the composition root. */
import type { Logger } from "pino";
import type { Config } from "../config/config.js";
import { asConfigError } from "../config/errors.js";
import { followFiles } from "../config/followed-files.js";
import { type CredentialFiles, expiryOf, pathsOf, readCredentials } from "../tls/credentials.js";
import type { Credentials } from "../tls/thread-protocol.js";
import type { OpenedTls, OpenTls, TlsConnections } from "./opened-tls.js";
import type { Opening } from "./opening.js";
import { TlsHere } from "./tls-here.js";
import { whyRelayed } from "./tls-place.js";

/** Rejects with `ConfigError` if the certificate, the key or a CA cannot be used. */
export async function openTls(
  { log, closers }: Pick<Opening, "log" | "closers">,
  settings: NonNullable<Config["http"]["tls"]>,
  connections: TlsConnections,
): Promise<OpenedTls> {
  const files: CredentialFiles = {
    certificate: settings.certificate,
    key: settings.key,
    clientCas: settings.clientcas,
  };
  const relayed = whyRelayed(settings);
  if (relayed !== undefined) log.info(`a separate thread terminates TLS: ${relayed}`);
  const tls: OpenTls =
    relayed === undefined
      ? new TlsHere(files)
      : (await import("./tls-thread.js")).tlsThread(log, settings, connections);
  const following = await followFiles(pathsOf(files), {
    take: async (texts) => {
      const credentials = readCredentials(files, texts);
      tls.use(credentials);
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
    await tls.close();
  });
  return tls;
}

function tellOf(credentials: Credentials, certificate: string, log: Logger): void {
  const validTo = expiryOf(credentials);
  if (validTo.getTime() < Date.now())
    log.error({ certificate, validTo }, "the server's certificate has expired");
  else log.info({ certificate, validTo }, "server certificate loaded");
}
