/** Runs work on one of all nodes, with an entry in the engine's held table. */
import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../../lib/describe-error.js";
import { MemoryOnce } from "../memory/once.js";
import { type Engine, unavailable } from "./engine.js";
import type { Held } from "./held.js";
import type { Membership } from "./membership.js";

const pauseMilliseconds = 100;

/** Work reads or writes a few objects; after this time a waiting node runs it as well. */
const waitMillisecondsMax = 120_000;

/** Nodes that wait for the work learn within this time that it has failed. */
const failureMilliseconds = 10_000;

export class ValkeyOnce {
  readonly #local = new MemoryOnce();

  constructor(
    readonly engine: Engine,
    readonly members: Membership,
    readonly held: Held,
  ) {}

  run(key: string, work: () => Promise<void>): Promise<void> {
    return this.#local.run(key, () => this.#anywhere(`once ${key}`, work));
  }

  async #anywhere(name: string, work: () => Promise<void>): Promise<void> {
    const end = performance.now() + waitMillisecondsMax;
    while (this.members.isInTouch && performance.now() < end) {
      const result = await this.held.tryAcquire(name).catch(() => undefined);
      if (result === undefined) break;
      if (typeof result === "string") {
        if (await this.#ends(name, result, end)) return;
        continue;
      }
      const { entry } = result;
      try {
        return await work();
      } catch (error) {
        const told = `failed:${entry.token}`;
        await this.engine.put(told, describeError(error), failureMilliseconds).catch(() => {});
        throw error;
      } finally {
        this.held.release(entry);
      }
    }
    return work();
  }

  /** Resolves with whether the work of another node has ended. */
  async #ends(name: string, token: string, end: number): Promise<boolean> {
    while (performance.now() < end) {
      await sleep(pauseMilliseconds);
      const holder = await this.held.holderOf(name).catch(() => undefined);
      if (holder === undefined) return false;
      if (holder === token) continue;
      const failure = await this.engine.get(`failed:${token}`).catch(() => null);
      if (failure !== null) throw unavailable(`another node failed: ${failure}`);
      return true;
    }
    return false;
  }
}
