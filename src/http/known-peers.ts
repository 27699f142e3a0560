/**
 * Recognises the connection of a request by its client's port, so that the address is read only once, when the connection opens:
 * uWebSockets.js makes a new buffer of it for each call, which takes a fifth of the time of a manifest from memory
 * (docs/decisions/0054). Needs a build that reports ports (`uws-build.ts`).
 *
 * uWebSockets.js reports that a connection has closed, but not which one. So a port keeps its peer until all connections of the
 * app have closed. A port that several addresses have used by then is not recognised, and the address is read as without this.
 */
import type { HttpResponse } from "uWebSockets.js";
import type { Peer, PeerLookup } from "./peer.js";

/** About 100 bytes each. Further ports are not recognised. */
const portsMax = 16_384;

const portMax = 65_535;

export class KnownPeers {
  readonly #byPort = new Map<number, Peer | "several">();
  #open = 0;
  /** Connections that are not recognised, also closed ones, since the app had no connection. */
  unrecognised = 0;

  /** `onUnrecognised` is called when such a connection opens. */
  constructor(
    readonly peerOf: PeerLookup,
    readonly onUnrecognised: () => void = () => {},
  ) {}

  /** Whether the app has no connection. */
  get isEmpty(): boolean {
    return this.#open === 0;
  }

  /** uWebSockets.js calls it for each connection that opens (1) or closes (-1), before its first request. */
  readonly filter = (response: HttpResponse, change: number): void => {
    this.#open += change;
    if (change > 0) this.#remember(response);
    else if (this.isEmpty) {
      this.#byPort.clear();
      this.unrecognised = 0;
    }
  };

  #remember(response: HttpResponse): void {
    const port = portOf(response);
    // A Unix socket has none, neither now nor with its requests.
    if (port > portMax) return;
    const peer = this.peerOf(response);
    const known = this.#byPort.get(port);
    if (known === undefined && peer !== undefined && this.#byPort.size < portsMax) {
      this.#byPort.set(port, peer);
    } else if (known === undefined || known === "several" || known.address !== peer?.address) {
      if (known !== undefined) this.#byPort.set(port, "several");
      this.unrecognised++;
      this.onUnrecognised();
    }
  }

  /** Returns the peer of a request's connection. */
  readonly of: PeerLookup = (response) => {
    const known = this.#byPort.get(portOf(response));
    return known === undefined || known === "several" ? this.peerOf(response) : known;
  };
}

/** The package's types lack it. */
function portOf(response: HttpResponse): number {
  return response.getRemotePort();
}
