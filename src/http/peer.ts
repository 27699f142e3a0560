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
const directPeersMax = 4096;

/** Peers by the bytes of their address: formatting it takes a tenth of the time of a manifest from memory. */
const directPeers = new Map<string, Peer>();

/** The lookup for clients connected directly, in plain HTTP. */
export const directPeer: PeerLookup = (response) => {
  const bytes = Buffer.from(response.getRemoteAddress());
  const key = bytes.toString("latin1");
  const known = directPeers.get(key);
  if (known !== undefined) return known;
  if (directPeers.size >= directPeersMax) directPeers.clear();
  const peer: Peer = { address: addressText(bytes), secure: false, certified: undefined };
  directPeers.set(key, peer);
  return peer;
};

/**
 * The lookup for connections from the TLS thread. Each identifies itself by the PROXY protocol, with a connection number in
 * place of an address. A client may send such a header too, later in its connection, so only a known number counts.
 */
export function announcedPeer(peerOf: (connection: Uint8Array) => Peer | undefined): PeerLookup {
  return (response) => peerOf(new Uint8Array(response.getProxiedRemoteAddress()));
}
