/**
 * Where the time of a piece of work goes: the work tells of its stages as they pass, to whoever wants to know.
 * Where nobody does, that costs a call.
 */

/** Numbers that belong to a stage, by name. */
export type Facts = Readonly<Record<string, number>>;

export interface Spans {
  /** Does `work` as a stage, over when that has settled. What is told to its own `Spans` is part of it. */
  during<T>(name: string, work: (within: Spans) => Promise<T>): Promise<T>;
  /** Tells of a stage that has passed, by the clock of all threads. */
  passed(name: string, startedAt: number, endedAt: number, facts?: Facts): void;
}

/** For work that nobody asks about. */
export const noSpans: Spans = {
  during: (_, work) => work(noSpans),
  passed: () => {},
};
