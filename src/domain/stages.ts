/**
 * Where the time of a piece of work goes: the work tells of its stages as they pass, to whoever wants to know.
 * Where nobody does, that costs a call.
 */

/** Numbers that belong to a stage, by name. */
export type Facts = Readonly<Record<string, number>>;

export interface Stages {
  /** Does `work` as a stage, over when that has settled. What is told to its own `Stages` is part of it. */
  during<T>(name: string, work: (within: Stages) => Promise<T>): Promise<T>;
  /** Tells of a stage that has passed, by the clock of all threads. */
  passed(name: string, startedAt: number, endedAt: number, facts?: Facts): void;
}

/** For work that nobody asks about. */
export const untold: Stages = {
  during: (_, work) => work(untold),
  passed: () => {},
};
