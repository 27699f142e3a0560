/**
 * What a proxy says of the client that it stands for: `X-Forwarded-For`, `-Proto` and `-Host`. Anybody can send
 * these, so they count only where the connection comes from an address that the operator trusts, and of the
 * addresses in them only those that a trusted one has added.
 */
import { BlockList, isIP } from "node:net";
import type { Peer } from "./peer.js";

export interface Forwarded {
  /** `""` for a header that is absent. */
  readonly for: string;
  readonly proto: string;
  readonly host: string;
}

export interface Seen {
  readonly peer: Peer;
  readonly host: string;
}

export class TrustedProxies {
  readonly #trusted = new BlockList();

  /** `ranges` are addresses, or `address/bits`, which `isAddressRange` has said yes to. */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) {
      const [address = "", bits] = range.split("/");
      const family = isIP(address) === 6 ? "ipv6" : "ipv4";
      if (bits === undefined) this.#trusted.addAddress(address, family);
      else this.#trusted.addSubnet(address, Number(bits), family);
    }
  }

  /** The client and the host that it asked for: as the connection says, or as trusted proxies do. */
  seen(peer: Peer, host: string, forwarded: Forwarded): Seen {
    if (!this.#isTrusted(peer.address)) return { peer, host };
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
      if (!this.#isTrusted(address)) return client;
    }
    return client;
  }

  #isTrusted(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#trusted.check(address, version === 6 ? "ipv6" : "ipv4");
  }
}

/** The one that the nearest proxy has added. */
function lastOf(list: string): string {
  return list.slice(list.lastIndexOf(",") + 1).trim();
}

const bitsMax = { 4: 32, 6: 128 } as const;

export function isAddressRange(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const version = isIP(address);
  if ((version !== 4 && version !== 6) || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= bitsMax[version]);
}
