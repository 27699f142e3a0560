/** The interface of both ways to speak TLS. */
import type { App } from "../http/app.js";
import type { Listening } from "../http/listeners.js";
import type { PeerLookup } from "../http/peer.js";
import type { Refusal } from "../lib/connection-counts.js";
import type { ConnectionLimits } from "../lib/connection-limits.js";
import type { Connections } from "../observe/metrics/connections.js";
import type { Credentials } from "../tls/thread-protocol.js";

export interface TlsConnections {
  readonly limits: ConnectionLimits;
  readonly proxies: readonly string[];
  readonly onRefused: (refusal: Refusal) => void;
}

export interface OpenedTls {
  /** Absent if the app counts and limits the connections. */
  readonly connections?: Connections;
  readonly peerOf: PeerLookup;
  /**
   * Serves `app` by HTTPS. `shared` lets other processes of this user listen on the port, too. Rejects if it cannot listen;
   * close it in that case, too.
   */
  listen(app: App, host: string, port: number, shared: boolean): Promise<Listening>;
}

export interface OpenTls extends OpenedTls {
  /** Uses them for new connections. Throws if it cannot. */
  use(credentials: Credentials): void;
  close(): Promise<void>;
}
