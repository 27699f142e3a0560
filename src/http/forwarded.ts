/**
 * What a proxy says of the client that it stands for: `X-Forwarded-For`, `-Proto` and `-Host`. Anybody can send
 * these, so they count only where the connection comes from an address that the operator trusts, and of the
 * addresses in them only those that a trusted one has added. That there is a proxy, and that it speaks HTTPS to its
 * clients, is noticed in any case.
 */
import { isIP } from "node:net";
import { AddressRanges } from "../lib/address-ranges.js";
import type { Peer } from "./peer.js";

export interface Forwarded {
  /** `""` for a header that is absent. */
  readonly for: string;
  readonly proto: string;
  readonly host: string;
}

/** Whether a request seems to have come through a proxy, and whether that says that its client speaks HTTPS. */
export type Front = "none" | "proxy" | "https-proxy";

/** For each header by which proxies can be recognized: what it says if its client speaks HTTPS. */
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

/** What a header adds to what was known of `front`. */
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

  /** `ranges` are addresses, or `address/bits`, which `isAddressRange` has said yes to. */
  constructor(ranges: readonly string[]) {
    this.ranges = new AddressRanges(ranges);
  }

  /** The client and the host that it asked for: as the connection says, or as trusted proxies do. */
  seen(peer: Peer, host: string, forwarded: Forwarded): Seen {
    if (!this.ranges.has(peer.address)) return { peer, host };
    const proto = lastOf(forwarded.proto);
    return {
      peer: {
        address: this.#clientOf(peer.address, forwarded.for),
        secure: proto === "" ? peer.secure : proto === "https",
        // A certificate is the proxy's own: it says nothing of the clients behind.
        certified: undefined,
      },
      host: lastOf(forwarded.host) || host,
    };
  }

  /** From the right, each added by the one before it: the first that is no trusted proxy is the client. */
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

/** The one that the nearest proxy has added. */
function lastOf(list: string): string {
  return list.slice(list.lastIndexOf(",") + 1).trim();
}
