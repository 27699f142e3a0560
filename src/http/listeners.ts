/** The sockets of the server's port. uWebSockets.js has separate apps for plain HTTP and for each certificate of HTTPS. */
import "./uws-settings.js";
import uws, { type TemplatedApp, type us_listen_socket } from "uWebSockets.js";
import { PlainListener, type ServeOn } from "./plain-listener.js";
import { type CertificateFiles, SecureListener } from "./secure-listener.js";
import { whyNotListening } from "./why-not-listening.js";

export interface Listening {
  readonly host: string;
  readonly port: number;
  /** Stops accepting connections. */
  close(): void;
}

export interface SecureListening extends Listening {
  /** Reads the files for new connections; earlier ones keep their certificate. Throws if BoringSSL cannot use the files. */
  use(files: CertificateFiles): void;
}

/** `LIBUS_LISTEN_EXCLUSIVE_PORT`. The package's types declare it as a const enum without a value at run time. */
const exclusivePort = 1;
/** `LIBUS_LISTEN_DEFAULT`: with SO_REUSEPORT. */
const sharedPort = 0;

export class Listeners {
  #plain: PlainListener | undefined;
  #local: TemplatedApp | undefined;
  #secure: SecureListener | undefined;

  constructor(readonly serveOn: ServeOn) {}

  listen(host: string, port: number, shared: boolean): Promise<Listening> {
    this.#plain ??= new PlainListener(this.serveOn);
    return listenOn(this.#plain.acceptor, host, port, shared);
  }

  async listenSecurely(
    host: string,
    port: number,
    files: CertificateFiles,
    shared: boolean,
  ): Promise<SecureListening> {
    const secure = new SecureListener(files, this.serveOn);
    this.#secure = secure;
    const listening = await listenOn(secure.acceptor, host, port, shared);
    return { ...listening, use: (changed) => secure.use(changed) };
  }

  listenLocally(path: string): Promise<Pick<Listening, "close">> {
    const app = uws.App();
    this.#local = app;
    this.serveOn(app);
    return new Promise((resolve, reject) => {
      const listening = (socket: us_listen_socket | false) => {
        if (socket === false) reject(new Error(`cannot listen on ${path}`));
        else resolve({ close: () => uws.us_listen_socket_close(socket) });
      };
      // `listen` creates the socket; the umask keeps other users out from its first moment.
      const mask = process.umask(0o177);
      app.listen_unix(listening, path);
      process.umask(mask);
    });
  }

  /** Ends all connections. */
  close(): void {
    for (const listener of [this.#plain, this.#local, this.#secure]) listener?.close();
  }
}

function listenOn(app: TemplatedApp, host: string, port: number, shared: boolean): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const listening = (socket: us_listen_socket | false) => {
      if (socket === false) {
        void whyNotListening(host, port).then(reject);
        return;
      }
      const close = () => uws.us_listen_socket_close(socket);
      resolve({ host, port: uws.us_socket_local_port(socket), close });
    };
    // Without this option, the kernel lets a second server share the port and gives each some of the connections.
    const listen = app.listen as (...parameters: unknown[]) => unknown;
    listen.call(app, host, port, shared ? sharedPort : exclusivePort, listening);
  });
}
