/**
 * Metrics that read plain numbers of other parts on each scrape. prom-client's own metrics look up labels for each
 * increment, which would slow down responses from memory.
 */
import {
  Counter,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValueWithName,
  Registry,
} from "prom-client";
import type { Durations } from "../../lib/durations.js";

/** Pairs of a label's value and the metric's value. */
export type Labelled = Iterable<readonly [label: string, value: number]>;

export interface Valued<L extends string> {
  readonly labels: Readonly<Record<L, string>>;
  readonly value: number;
}

/** One series of a histogram. */
export interface Timed<L extends string> {
  readonly labels: Readonly<Record<L, string>>;
  readonly durations: Durations;
}

/**
 * How the gauges of the processes of a server become one. `first` is for what the first process knows for all, or what all
 * know.
 */
export type Aggregator = "sum" | "first" | "min" | "max";

export class Instruments {
  readonly registry = new Registry();

  counter(name: string, help: string, value: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  }

  /** One counter for each value of a label. */
  counters(name: string, help: string, label: string, values: () => Labelled): void {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [of, value] of values()) this.inc({ [label]: of }, value);
      },
    });
  }

  /** One counter for each combination of the labels' values. */
  countersBy<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    values: () => Iterable<Valued<L>>,
  ): void {
    new Counter({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { labels, value } of values()) this.inc(labels, value);
      },
    });
  }

  gauge(
    name: string,
    help: string,
    value: () => number | Promise<number>,
    aggregator: Aggregator = "sum",
  ): void {
    new Gauge({
      name,
      help,
      aggregator,
      registers: [this.registry],
      async collect() {
        this.set(await value());
      },
    });
  }

  /** One gauge for each value of a label. */
  gauges(
    name: string,
    help: string,
    label: string,
    values: () => Labelled,
    aggregator: Aggregator = "sum",
  ): void {
    new Gauge({
      name,
      help,
      aggregator,
      labelNames: [label],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [of, value] of values()) this.set({ [label]: of }, value);
      },
    });
  }

  histogram<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    series: () => Iterable<Timed<L>>,
  ): void {
    new CountedHistogram(this.registry, name, help, labelNames, series);
  }
}

class CountedHistogram<L extends string> extends Histogram<L> {
  constructor(
    registry: Registry,
    readonly metricName: string,
    readonly text: string,
    labelNames: readonly L[],
    readonly series: () => Iterable<Timed<L>>,
  ) {
    super({ name: metricName, help: text, labelNames, registers: [registry] });
  }

  /** prom-client expands labels here that this class does not shorten. */
  override async get(): Promise<MetricObjectWithValues<MetricValueWithName<L>>> {
    const data: unknown = { ...(await this.getForPromString()), collect: () => {} };
    return data as MetricObjectWithValues<MetricValueWithName<L>>;
  }

  /** prom-client calls it to render the metric, but its types omit it. */
  async getForPromString() {
    const values = Array.from(this.series(), (one) => this.#valuesOf(one)).flat();
    return { name: this.metricName, help: this.text, type: "histogram", aggregator: "sum", values };
  }

  #valuesOf({ labels, durations: { bounds, counts, sum, count } }: Timed<L>): MetricValueWithName<L>[] {
    const value = (suffix: string, of: number, more: object = {}) => ({
      metricName: `${this.metricName}_${suffix}`,
      labels: { ...more, ...labels },
      value: of,
    });
    let below = 0;
    const buckets = counts.map((own, index) => {
      below += own;
      return value("bucket", below, { le: bounds[index] ?? "+Inf" });
    });
    return [...buckets, value("sum", sum), value("count", count)];
  }
}
