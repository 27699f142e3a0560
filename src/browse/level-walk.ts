/** Builds a page by walking the sorted names until the deadline, while the catalog or the caller's list is incomplete. */
import { setImmediate } from "node:timers/promises";
import type { Visible } from "../auth/gate.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Deadline } from "../lib/deadline.js";
import { entryOf, type LevelEntry, type LevelPart, lastBelow, prefixOf } from "./namespace-level.js";

/** Yields names after `after` in ASCII order, about `atOnce` of which are needed. */
export type NamesAfter = (after: string, atOnce: number) => AsyncIterable<RepositoryName>;

/** A decision of the policy takes microseconds. */
const namesPerTurn = 256;

export interface WalkedLevel {
  readonly namespace: string;
  /** The page begins after this place. */
  readonly after: string;
  /** Maximum number of entries. */
  readonly n: number;
}

/** Returns the first entries of a level. Their repositories are not counted. */
export async function walkLevel(
  namesAfter: NamesAfter,
  shown: Visible,
  level: WalkedLevel,
  deadline: Deadline,
): Promise<LevelPart> {
  const walk = new LevelWalk(namesAfter, shown, level, deadline);
  const more = await deadline.within(walk.run());
  const entries = walk.entries.slice();
  return more === undefined ? { entries, more: true, unknownFrom: walk.after } : { entries, more };
}

class LevelWalk {
  readonly entries: LevelEntry[] = [];
  /** The place that the walk has reached. */
  after: string;
  #seen = 0;

  constructor(
    readonly namesAfter: NamesAfter,
    readonly shown: Visible,
    readonly level: WalkedLevel,
    readonly deadline: Deadline,
  ) {
    this.after = level.after;
  }

  /** Resolves with whether there are more entries; `undefined` if the walk was ended by the deadline. */
  async run(): Promise<boolean | undefined> {
    for (;;) {
      const next = await this.#untilNamespace();
      if (typeof next !== "string") return next;
      // Not through all names of the namespace: there may be many.
      this.after = next;
    }
  }

  /** Resolves with the place after the next namespace, or like `run`. */
  async #untilNamespace(): Promise<string | boolean | undefined> {
    const { level, entries } = this;
    const prefix = prefixOf(level.namespace);
    for await (const name of this.namesAfter(this.after, level.n + 1 - entries.length)) {
      if (!name.startsWith(prefix)) return false;
      if (++this.#seen % namesPerTurn === 0) await setImmediate();
      if (this.deadline.isOver) return undefined;
      if (this.shown.has(name)) {
        if (entries.length === level.n) return true;
        const entry = entryOf(name, prefix);
        entries.push(entry);
        if (entry.kind === "namespace") return lastBelow(`${entry.path}/`);
      }
      this.after = name;
    }
    return false;
  }
}
