/** The order in which nodes hold a lock exclusively. While one does, all others hold their own lock on its behalf. */
import { KeyedLock } from "../../lib/keyed-lock.js";
import type { NodeName } from "../cluster.js";
import { Gone } from "./link.js";
import type { Question, QuestionOf } from "./protocol.js";

/** Locks of this kind are held exclusively only, so that no node needs to be asked. */
export const exclusiveOnly = "exclusive";

interface Held {
  readonly node: NodeName;
  readonly lock: string;
  readonly key: string;
  readonly release: () => void;
}

export interface Nodes {
  isNode(node: NodeName): boolean;
  /** Asks all nodes but `from`. */
  ask(from: NodeName, question: Question): Promise<unknown>;
  tell(from: NodeName, question: Question): void;
}

export class HubLocks {
  readonly #turns = new KeyedLock<string>();
  readonly #held = new Map<string, Held>();
  #tokens = 0;

  constructor(readonly nodes: Nodes) {}

  async enter({ lock, key }: QuestionOf<"enter">, node: NodeName): Promise<string> {
    const token = `${node}/${++this.#tokens}`;
    await this.#turn(token, { node, lock, key });
    // It has ended while it waited.
    if (!this.nodes.isNode(node)) {
      this.leave(token, node);
      throw new Gone("the process that asked for the lock has ended");
    }
    if (lock === exclusiveOnly) return token;
    try {
      await this.nodes.ask(node, { kind: "drain", lock, key, token });
      return token;
    } catch (error) {
      this.leave(token, node);
      throw error;
    }
  }

  /** Resolves when the token is held. */
  #turn(token: string, held: Omit<Held, "release">): Promise<void> {
    return new Promise((resolve) => {
      void this.#turns.exclusive(`${held.lock} ${held.key}`, () => {
        return new Promise<void>((release) => {
          this.#held.set(token, { ...held, release });
          resolve();
        });
      });
    });
  }

  leave(token: string, node: NodeName): null {
    const held = this.#held.get(token);
    if (held === undefined || held.node !== node) return null;
    this.#held.delete(token);
    if (held.lock !== exclusiveOnly) this.nodes.tell(node, { kind: "release", token });
    held.release();
    return null;
  }

  /** The locks that a new node must hold on behalf of others. */
  held(): { lock: string; key: string; token: string }[] {
    return Array.from(this.#held, ([token, { lock, key }]) => ({ lock, key, token })).filter(
      ({ lock }) => lock !== exclusiveOnly,
    );
  }

  gone(node: NodeName): void {
    for (const [token, held] of this.#held) if (held.node === node) this.leave(token, node);
  }
}
