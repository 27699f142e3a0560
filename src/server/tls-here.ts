/** HTTPS in the main thread. The app counts and limits its connections, as it does over plain HTTP. */
import type { App } from "../http/app.js";
import type { Listening, SecureListening } from "../http/listeners.js";
import { securePeer } from "../http/peer.js";
import type { CertificateFiles } from "../http/secure-listener.js";
import type { OpenTls } from "./opened-tls.js";

export class TlsHere implements OpenTls {
  readonly peerOf = securePeer;
  #listening: SecureListening | undefined;

  constructor(readonly files: CertificateFiles) {}

  /** uWebSockets.js reads the files itself. A change meanwhile is another reload. */
  use(): void {
    this.#listening?.use(this.files);
  }

  async listen(app: App, host: string, port: number, shared: boolean): Promise<Listening> {
    this.#listening = await app.listenSecurely(host, port, this.files, shared);
    return this.#listening;
  }

  /** The app has closed the connections. */
  async close(): Promise<void> {
    this.#listening = undefined;
  }
}
