/** Names of nodes: digits that session IDs contain, with a prefix. */
import type { NodeName } from "./cluster.js";

const prefix = "node:";

export function nodeName(digits: string): NodeName {
  return `${prefix}${digits}`;
}

export function digitsOf(name: NodeName): string {
  return name.slice(prefix.length);
}
