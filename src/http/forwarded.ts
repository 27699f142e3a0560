/**
 * Reads `X-Forwarded-For`, `-Proto` and `-Host`. Anyone can send these headers, so they count only on a connection from an
 * address that the operator trusts, and only addresses that a trusted proxy has added. Independently of that, this detects
 * whether there is a proxy and whether it speaks HTTPS to its clients.
 */
import { isIP } from "node:net";
import { AddressRanges } from "../lib/address-ranges.js";
import type { Peer } from "./peer.js";

export interface Forwarded {
  /** `""` for an absent header. */
  readonly for: string;
  readonly proto: string;
  readonly host: string;
}

/** Whether a request seems to come through a proxy, and whether that proxy reports that its client speaks HTTPS. */
export type Front = "none" | "proxy" | "https-proxy";

/** For each header that reveals a proxy, its value if the client speaks HTTPS. */
const signs: ReadonlyMap<string, RegExp> = new Map([
  ...["x-forwarded-proto", "x-forwarded-protocol", "x-forwarded-scheme", "x-scheme", "x-url-scheme"].map(
    (name) => [name, /\bhttps\b/i] as const,
  ),
  ["forwarded", /\bproto="?https\b/i],
  ["x-forwarded-ssl", /^on$/i],
  ["front-end-https", /^on$/i],
  ["x-forwarded-port", /^443$/],
  ["cf-visitor", /"https"/i],
  ["cloudfront-forwarded-proto", /^https$/i],
  ...["x-forwarded-for", "x-forwarded-host", "x-forwarded-server", "x-real-ip", "via"].map(
    (name) => [name, /(?!)/] as const,
  ),
]);

/** Returns `front` updated by one header. */
export function frontOf(front: Front, name: string, value: string): Front {
  const https = front === "https-proxy" ? undefined : signs.get(name);
  if (https === undefined) return front;
  return https.test(value) ? "https-proxy" : "proxy";
}

export interface Seen {
  readonly peer: Peer;
  readonly host: string;
}

export class TrustedProxies {
  readonly ranges: AddressRanges;

  /** `ranges` are addresses or `address/bits`, already checked by `isAddressRange`. */
  constructor(ranges: readonly string[]) {
    this.ranges = new AddressRanges(ranges);
  }

  /** Returns the client and its requested host, from the connection or from trusted proxies. */
  seen(peer: Peer, host: string, forwarded: Forwarded): Seen {
    if (!this.ranges.has(peer.address)) return { peer, host };
    const proto = lastOf(forwarded.proto);
    return {
      peer: {
        address: this.#clientOf(peer.address, forwarded.for),
        secure: proto === "" ? peer.secure : proto === "https",
        // The certificate is the proxy's own and does not identify the client.
        certified: undefined,
      },
      host: lastOf(forwarded.host) || host,
    };
  }

  /** Walks the addresses from the right, each added by the proxy before it. The first that is not a trusted proxy is the client. */
  #clientOf(proxy: string, addresses: string): string {
    let client = proxy;
    for (const part of addresses.split(",").reverse()) {
      const address = part.trim();
      if (isIP(address) === 0) return client;
      client = address;
      if (!this.ranges.has(address)) return client;
    }
    return client;
  }
}

/** Returns the value that the nearest proxy has added. */
function lastOf(list: string): string {
  return list.slice(list.lastIndexOf(",") + 1).trim();
}
