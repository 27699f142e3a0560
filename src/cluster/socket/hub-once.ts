/** Which node runs a piece of work, and which ones wait for it. */
import type { NodeName } from "../cluster.js";
import type { AnswerTo, Ending, Question } from "./protocol.js";

interface Waiter {
  readonly node: NodeName;
  readonly resolve: (answer: AnswerTo<"once">) => void;
}

interface Run {
  node: NodeName;
  note: string | undefined;
  readonly waiters: Waiter[];
}

export class HubOnce {
  readonly #runs = new Map<string, Run>();

  constructor(readonly tell: (node: NodeName, question: Question) => void) {}

  begin(key: string, node: NodeName): AnswerTo<"once"> | Promise<AnswerTo<"once">> {
    const run = this.#runs.get(key);
    if (run === undefined) {
      this.#runs.set(key, { node, note: undefined, waiters: [] });
      return "run";
    }
    this.tell(run.node, { kind: "watched", key });
    if (run.note !== undefined) this.tell(node, { kind: "report", key, note: run.note });
    return new Promise((resolve) => run.waiters.push({ node, resolve }));
  }

  report(key: string, node: NodeName, note: string): null {
    const run = this.#runs.get(key);
    if (run?.node !== node) return null;
    run.note = note;
    for (const waiter of run.waiters) this.tell(waiter.node, { kind: "report", key, note });
    return null;
  }

  end(key: string, node: NodeName, ending: Ending): null {
    const run = this.#runs.get(key);
    if (run?.node !== node) return null;
    if (ending.isAbandoned === true) {
      this.#passOn(key, run);
      return null;
    }
    this.#runs.delete(key);
    for (const { resolve } of run.waiters) resolve(ending);
    return null;
  }

  /** Another node runs the work. */
  #passOn(key: string, run: Run): void {
    const next = run.waiters.shift();
    if (next === undefined) {
      this.#runs.delete(key);
      return;
    }
    run.node = next.node;
    next.resolve("run");
    if (run.waiters.length > 0) this.tell(next.node, { kind: "watched", key });
  }

  gone(node: NodeName): void {
    for (const [key, run] of this.#runs) {
      const left = run.waiters.filter((waiter) => waiter.node !== node);
      run.waiters.splice(0, run.waiters.length, ...left);
      if (run.node === node) this.#passOn(key, run);
    }
  }
}
