/** Hints, as values of the engine that it drops after their time. */
import type { Hints } from "../cluster.js";
import type { Engine } from "./engine.js";

export class ValkeyHints implements Hints {
  constructor(readonly engine: Engine) {}

  async get(key: string): Promise<string | undefined> {
    const value = await this.engine.get(`hint:${key}`).catch(() => null);
    return value ?? undefined;
  }

  put(key: string, value: string, milliseconds: number): void {
    this.engine.put(`hint:${key}`, value, Math.max(1, Math.ceil(milliseconds))).catch(() => {});
  }
}
