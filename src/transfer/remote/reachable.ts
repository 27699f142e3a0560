/**
 * Decides to which addresses a registry may lead. A registry redirects to its blob storage and names token servers. A
 * malicious one could name hosts that only this machine can reach, such as a cloud's metadata service or a database (SSRF).
 * So another host must have an address at least as public as the registry's. The check uses the address of the actual
 * connection, after name resolution: a name that is public now may be private a moment later.
 */
import { type LookupAddress, lookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { buildConnector } from "undici";
import { AddressRanges } from "../../lib/address-ranges.js";
import { SourceError } from "../source.js";

/** Reach of an address, from the most public to the least. */
type Reach = 0 | 1 | 2 | 3;
const everywhere = 0;
const nowhere = 3;

const loopback = new AddressRanges(["127.0.0.0/8", "::1"]);
const privateRanges = new AddressRanges([
  ...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"],
]);
/** Link-local addresses, including metadata services of clouds, and addresses that belong to no host (RFC 6890). */
const special = new AddressRanges([
  ...["0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24"],
  ...["203.0.113.0/24", "224.0.0.0/3", "::", "fe80::/10", "fec0::/10", "ff00::/8", "64:ff9b:1::/48"],
  ...["2001:db8::/32"],
]);
/** Metadata services that are not link-local. */
const metadata = new AddressRanges(["fd00:ec2::254", "100.100.100.200"]);
/** IPv4 addresses within IPv6 ones: mapped, translated (SIIT, NAT64), compatible (RFC 4291), and 6to4. */
const embeddedIpv4 =
  /^(?:::|::ffff:(?:0:)?|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$|^2002:([0-9a-f]{1,4}):([0-9a-f]{1,4})(?::|$)/;

function reachOf(address: string): Reach {
  const plain = ipv4Within(address) ?? address;
  if (special.has(plain) || metadata.has(plain)) return nowhere;
  if (loopback.has(plain)) return 2;
  return privateRanges.has(plain) ? 1 : everywhere;
}

function ipv4Within(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined;
  // A zone (`fe80::1%eth0`) is local to this machine and not part of the address.
  const text = new URL(`http://[${address.split("%")[0]}]`).hostname.slice(1, -1);
  const [, ...groups] = embeddedIpv4.exec(text) ?? [];
  const [high, low] = groups
    .filter((group) => group !== undefined)
    .map((group) => Number.parseInt(group, 16));
  if (high === undefined || low === undefined) return undefined;
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

export class Reachable {
  /** `option` is the name of the option for people that allows a host. */
  constructor(readonly option = "--redirect-host") {}

  /** Reach of the most public address of the registry; before that is known, no other host is allowed. */
  #registry: Reach | undefined;

  /** Records an address at which the registry was reached. */
  registryAt(address: string): void {
    const reach = reachOf(address);
    this.#registry = this.#registry === undefined || reach < this.#registry ? reach : this.#registry;
  }

  allows(address: string): boolean {
    return reachOf(address) <= (this.#registry ?? everywhere);
  }

  /** Connects to the registry itself and to allowed hosts, at any address. */
  registryConnector(registryHost: string, options: buildConnector.BuildOptions): buildConnector.connector {
    const connect = buildConnector(options);
    return (target, callback) =>
      connect(target, (...[error, socket]: Parameters<buildConnector.Callback>) => {
        if (error !== null) return callback(error, null);
        if (target.hostname === registryHost && socket.remoteAddress !== undefined)
          this.registryAt(socket.remoteAddress);
        callback(null, socket);
      });
  }

  /** Connects to other hosts if their addresses are allowed. */
  otherConnector(options: buildConnector.BuildOptions): buildConnector.connector {
    const connect = buildConnector({ ...options, lookup: this.#lookup } as buildConnector.BuildOptions);
    return (target, callback) => {
      const host = target.hostname.replace(/^\[|\]$/g, "");
      // A literal address needs no lookup.
      if (isIP(host) !== 0 && !this.allows(host)) return callback(this.#refusal(host, host), null);
      connect(target, callback);
    };
  }

  #lookup: LookupFunction = (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, "", 0);
      const allowed = addresses.filter(({ address }) => this.allows(address));
      const [first] = allowed;
      if (first === undefined) return callback(this.#refusal(host, addresses[0]?.address ?? ""), "", 0);
      if (options.all === true) (callback as unknown as AllCallback)(null, allowed);
      else callback(null, first.address, first.family);
    });
  };

  #refusal(host: string, address: string): SourceError {
    const where = host === address ? host : `${host} at ${address}`;
    return new SourceError(
      `the registry leads to ${where}, an address that is less public than its own; if that is correct, allow it with ${this.option} ${host}`,
    );
  }
}

type AllCallback = (error: null, addresses: LookupAddress[]) => void;
