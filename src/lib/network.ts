/**
 * Whom an address counts for where what comes from one is limited. With IPv6 every customer has 2^64 addresses, the
 * least that providers hand out: counted by address, who changes it with each try would never reach a limit.
 */
import { isIPv6 } from "node:net";

/** An IPv4 address itself; of an IPv6 address the first 64 bits. */
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

/** An IPv4 address at the end stands for two groups. */
function groupsOf(text: string): string[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => (group.includes(".") ? [group, group] : [group]));
}
