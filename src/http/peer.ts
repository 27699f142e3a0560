/** Who is at the other end of a connection. */
import type { HttpResponse } from "uWebSockets.js";
import type { Identity } from "../auth/identity.js";

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

/** An address of 4 or 16 bytes as text; RFC 5952's form for IPv6. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return "";
  const isMapped =
    bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);
  if (isMapped) return bytes.subarray(12).join(".");
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
