/** Who is at the other end of a connection. */
import type { HttpResponse } from "uWebSockets.js";
import type { Identity } from "../auth/identity.js";
import { addressText } from "../lib/address-text.js";

export interface Peer {
  /** The client's IP address as text, an IPv4 one in its own form also where it comes over IPv6. */
  readonly address: string;
  /** Whether the client speaks TLS. */
  readonly secure: boolean;
  /** Whom the client's certificate names, where there is one. */
  readonly certified: Identity | undefined;
}

/** To be called while the response is valid. `undefined` where nobody knows the connection: then it may not go on. */
export type PeerLookup = (response: HttpResponse) => Peer | undefined;

/** Of clients that are connected to this server themselves, in plain HTTP. */
export const directPeer: PeerLookup = (response) => ({
  address: addressText(new Uint8Array(response.getRemoteAddress())),
  secure: false,
  certified: undefined,
});

/**
 * Of connections through whatever ends TLS: each says by the PROXY protocol which one it is, in the place of an
 * address. A client may say such a thing too, and later in its connection; what counts is that it is known.
 */
export function announcedPeer(peerOf: (connection: Uint8Array) => Peer | undefined): PeerLookup {
  return (response) => peerOf(new Uint8Array(response.getProxiedRemoteAddress()));
}
