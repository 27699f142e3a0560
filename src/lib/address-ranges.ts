/** Tests whether an address is in a set of addresses and ranges (`10.0.0.0/8`). */
import { BlockList, isIP } from "node:net";

export class AddressRanges {
  readonly #list = new BlockList();

  /** Each range is an address or `address/bits` for which `isAddressRange` returned true. */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) {
      const [address = "", bits] = range.split("/");
      // `isIP` would compile an expression of a kilobyte for it.
      const family = address.includes(":") ? "ipv6" : "ipv4";
      if (bits === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(bits), family);
    }
  }

  has(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#list.check(address, version === 6 ? "ipv6" : "ipv4");
  }
}

const bitsMax = { 4: 32, 6: 128 } as const;

export function isAddressRange(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const version = isIP(address);
  if ((version !== 4 && version !== 6) || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= bitsMax[version]);
}
