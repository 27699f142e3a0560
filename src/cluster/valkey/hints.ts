/** Hints, as values of the engine that it drops after their time. */
import type { Hints } from "../cluster.js";
import type { Engine } from "./engine.js";
import type { Membership } from "./membership.js";

export class ValkeyHints implements Hints {
  constructor(
    readonly engine: Engine,
    readonly members: Membership,
  ) {}

  async get(key: string): Promise<string | undefined> {
    // A request would wait for a frozen engine.
    if (!this.members.isInTouch) return undefined;
    const value = await this.engine.get(`hint:${key}`).catch(() => null);
    return value ?? undefined;
  }

  put(key: string, value: string, milliseconds: number): void {
    this.engine.put(`hint:${key}`, value, Math.max(1, Math.ceil(milliseconds))).catch(() => {});
  }
}
