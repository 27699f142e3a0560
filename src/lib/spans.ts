/** Records how long the stages of an operation take. Without a recorder (`noSpans`) that costs a function call. */

/** Attributes of a span. */
export type Facts = Readonly<Record<string, number>>;

export interface Spans {
  /** Runs `work` as a span that ends when it settles. `within` records child spans. */
  during<T>(name: string, work: (within: Spans) => Promise<T>): Promise<T>;
  /** Records a span that has ended, in milliseconds by the clock that all threads share. */
  passed(name: string, startedAt: number, endedAt: number, facts?: Facts): void;
}

/** Records nothing. */
export const noSpans: Spans = {
  during: (_, work) => work(noSpans),
  passed: () => {},
};
