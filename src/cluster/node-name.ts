/** Names of nodes: digits that session IDs contain, with a prefix. Tokens begin with the name of their node. */
import type { NodeName } from "./cluster.js";

const prefix = "node:";

export function nodeName(digits: string): NodeName {
  return `${prefix}${digits}`;
}

export function digitsOf(name: NodeName): string {
  return name.slice(prefix.length);
}

export function nodeOf(token: string): NodeName {
  return token.slice(0, token.indexOf("/")) as NodeName;
}
