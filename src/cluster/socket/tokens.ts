/**
 * Tokens name the locks, removals and requests for notes that a process has at others. They contain its name, so that they can
 * end with it.
 */
import type { NodeName } from "../cluster.js";

export class Tokens {
  #count = 0;

  constructor(readonly node: NodeName) {}

  next(): string {
    return `${this.node}/own-${++this.#count}`;
  }
}
