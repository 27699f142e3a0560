/** Records the spans of a piece of work, each with its child spans. */
import { now } from "../lib/clock.js";
import type { Facts, Spans } from "../lib/spans.js";

export interface RecordedSpan {
  readonly name: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly facts?: Facts | undefined;
  readonly within?: readonly RecordedSpan[];
}

export class SpanTree implements Spans {
  /** Spans in the order in which they ended. */
  readonly spans: RecordedSpan[] = [];

  async during<T>(name: string, work: (within: Spans) => Promise<T>): Promise<T> {
    const inner = new SpanTree();
    const startedAt = now();
    try {
      return await work(inner);
    } finally {
      this.spans.push({ name, startedAt, endedAt: now(), within: inner.spans });
    }
  }

  passed(name: string, startedAt: number, endedAt: number, facts?: Facts): void {
    this.spans.push({ name, startedAt, endedAt, facts });
  }
}
