/** Keeps the stages that a piece of work tells of, each with those that were part of it. */
import { now } from "../domain/clock.js";
import type { Facts, Stages } from "../domain/stages.js";

export interface Stage {
  readonly name: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly facts?: Facts | undefined;
  readonly within?: readonly Stage[];
}

export class StageTree implements Stages {
  /** In the order in which they ended. */
  readonly stages: Stage[] = [];

  async during<T>(name: string, work: (within: Stages) => Promise<T>): Promise<T> {
    const inner = new StageTree();
    const startedAt = now();
    try {
      return await work(inner);
    } finally {
      this.stages.push({ name, startedAt, endedAt: now(), within: inner.stages });
    }
  }

  passed(name: string, startedAt: number, endedAt: number, facts?: Facts): void {
    this.stages.push({ name, startedAt, endedAt, facts });
  }
}
