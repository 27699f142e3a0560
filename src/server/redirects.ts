/** Which clients are redirected to the store. Part of the composition root. */
import type { Config } from "../config/config.js";
import { AddressRanges } from "../lib/address-ranges.js";

/** Returns `undefined` if all are. */
export function redirectsOf({
  networks,
  exceptnetworks,
}: Config["storage"]["redirect"]): ((address: string) => boolean) | undefined {
  if (networks.length === 0 && exceptnetworks.length === 0) return undefined;
  const included = networks.length === 0 ? undefined : new AddressRanges(networks);
  const excepted = new AddressRanges(exceptnetworks);
  return (address) => (included === undefined || included.has(address)) && !excepted.has(address);
}
