/**
 * Tokens name the locks, journals and removals that a process holds at others. They contain its name, so that they can end with it.
 */
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
