/**
 * Maps a client's address to the network that limits count. With IPv6, providers give each customer at least 2^64 addresses:
 * a client that changed its address with each request would never reach a limit per address.
 */
import { isIPv6 } from "node:net";

/** Returns an IPv4 address as it is, and the first 64 bits of an IPv6 address. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail = ""] = address.split("::");
  const leading = groupsOf(head);
  const left = Math.max(0, groupsInAll - leading.length - groupsOf(tail).length);
  const groups = address.includes("::") ? [...leading, ...Array(left).fill("0"), ...groupsOf(tail)] : leading;
  const network = groups.slice(0, groupsInAll / 2).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(":")}::/64`;
}

const groupsInAll = 8;

/** A trailing IPv4 address stands for two groups. */
function groupsOf(text: string): string[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => (group.includes(".") ? [group, group] : [group]));
}
