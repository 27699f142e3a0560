/**
 * HTTPS with uWebSockets.js' own TLS (BoringSSL), in this thread. An app's certificate cannot change, so one app accepts
 * and passes each connection to the app with the current certificate. A change replaces the latter: the listening socket
 * stays, and earlier connections keep their app (docs/decisions/0056).
 */
import "./uws-settings.js";
import uws, { type TemplatedApp } from "uWebSockets.js";
import { type PassingApp, passConnections } from "./passing-app.js";

export interface CertificateFiles {
  /** Path of the server's certificate and the intermediate certificates, as PEM. */
  readonly certificate: string;
  readonly key: string;
}

/** For TLS 1.2; those of TLS 1.3 are fixed. Only ciphers with forward secrecy and authenticated encryption. */
const ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

export class SecureListener {
  /** Accepts the connections. Serves none itself. */
  readonly acceptor: PassingApp;
  /** The last one serves new connections. uWebSockets.js frees no app, so each change costs about 30 KB. */
  readonly #apps: PassingApp[] = [];

  constructor(
    files: CertificateFiles,
    readonly serveOn: (app: TemplatedApp) => unknown,
  ) {
    this.acceptor = secureApp(files);
    this.use(files);
  }

  use(files: CertificateFiles): void {
    const app = secureApp(files);
    this.serveOn(app);
    passConnections(this.acceptor, this.#apps.at(-1), app);
    this.#apps.push(app);
  }

  /** Ends all connections. */
  close(): void {
    for (const app of [this.acceptor, ...this.#apps]) app.close();
  }
}

function secureApp({ certificate, key }: CertificateFiles): PassingApp {
  try {
    return uws.SSLApp({
      cert_file_name: certificate,
      key_file_name: key,
      ssl_ciphers: ciphers,
    }) as PassingApp;
  } catch (cause) {
    const message = `BoringSSL cannot use the certificate in ${certificate} with the key in ${key}`;
    throw new Error(`${message}: use an RSA, ECDSA or Ed25519 key`, { cause });
  }
}
