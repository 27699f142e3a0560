/** Tokens name what a process holds at others, and the process, so that it ends with it. */
import type { NodeName } from "../cluster.js";

export class Tokens {
  #count = 0;

  constructor(readonly node: NodeName) {}

  next(): string {
    return `${this.node}/own-${++this.#count}`;
  }

  static isOf(token: string, node: NodeName): boolean {
    return token.startsWith(`${node}/`);
  }

  static nodeOf(token: string): NodeName {
    return token.slice(0, token.indexOf("/")) as NodeName;
  }
}
