/** The peer of a connection. */
import type { HttpResponse } from "uWebSockets.js";
import type { Identity } from "../auth/identity.js";
import { addressText } from "../lib/address-text.js";

export interface Peer {
  /** The client's IP address as text; an IPv4 address over IPv6 is in IPv4 form. */
  readonly address: string;
  /** Whether the client speaks TLS. */
  readonly secure: boolean;
  /** The identity in the client's certificate, if any. */
  readonly certified: Identity | undefined;
}

/** Call it while the response is valid. Returns `undefined` for an unknown connection, which must be closed. */
export type PeerLookup = (response: HttpResponse) => Peer | undefined;

/** About 200 bytes each. */
const rememberedPeersMax = 4096;

/** The lookup for clients connected directly, in plain HTTP. */
export const directPeer = connectedPeer(false);

/** The lookup for clients connected directly, by TLS in this thread. */
export const securePeer = connectedPeer(true);

function connectedPeer(secure: boolean): PeerLookup {
  /** Formatting an address takes a tenth of the time of a manifest from memory. */
  const peers = new Map<number | string, Peer>();
  return (response) => {
    // The connection's own address: a PROXY header, which any client may send, is ignored.
    const address = response.getRemoteAddress();
    const key = keyOf(address);
    const known = peers.get(key);
    if (known !== undefined) return known;
    if (peers.size >= rememberedPeersMax) peers.clear();
    const peer: Peer = { address: addressText(new Uint8Array(address)), secure, certified: undefined };
    peers.set(key, peer);
    return peer;
  };
}

/** The third word of an IPv4 address over IPv6, `::ffff:a.b.c.d`. The first two are 0. */
const [mappedWord] = new Int32Array(Uint8Array.of(0, 0, 0xff, 0xff).buffer);

/** Returns an IPv4 address, also over IPv6, as a number: text takes a twentieth of the time of a manifest from memory. */
function keyOf(address: ArrayBuffer): number | string {
  const words = new Int32Array(address);
  if (words.length === 1) return words[0] ?? 0;
  if (words[2] === mappedWord && words[0] === 0 && words[1] === 0) return words[3] ?? 0;
  return Buffer.from(address).toString("latin1");
}

/**
 * The lookup for connections from the TLS thread. Each identifies itself by the PROXY protocol, with a connection number in
 * place of an address. A client may send such a header too, later in its connection, so only a known number counts.
 */
export function announcedPeer(peerOf: (connection: Uint8Array) => Peer | undefined): PeerLookup {
  return (response) => peerOf(new Uint8Array(response.getProxiedRemoteAddress()));
}
