/**
 * Numbers and durations of requests by route, method and status: plain numbers that a request adds to, made into
 * a histogram when somebody asks. prom-client's own looks its labels up anew for each value.
 */
import { Histogram, type MetricValueWithName, type Registry } from "prom-client";

const name = "gantry_http_request_duration_seconds";
const help = "Time from a request's head to the last byte of its answer";
const labelNames = ["route", "method", "status"] as const;
type Label = (typeof labelNames)[number];

/** Seconds: an answer from memory takes less than the first, a push of a large layer is within the last. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

class Series {
  sum = 0;
  count = 0;
  /** By bound, the last for what is beyond all; not summed up. */
  readonly counts = new Array<number>(bounds.length + 1).fill(0);

  constructor(readonly labels: Record<Label, string>) {}
}

export class RequestTimes extends Histogram<Label> {
  /** By route, method and status: all three are few, since what is unknown counts as one. */
  readonly #series = new Map<string, Map<string, Map<number, Series>>>();

  constructor(registry: Registry) {
    super({
      name,
      help,
      labelNames,
      buckets: bounds,
      registers: [registry],
    });
  }

  add(route: string, method: string, status: number, seconds: number): void {
    const series = this.#seriesOf(route, method, status);
    let bound = 0;
    while (bound < bounds.length && seconds > (bounds[bound] ?? 0)) bound++;
    series.counts[bound] = (series.counts[bound] ?? 0) + 1;
    series.sum += seconds;
    series.count++;
  }

  #seriesOf(route: string, method: string, status: number): Series {
    const byMethod = entry(this.#series, route, () => new Map<string, Map<number, Series>>());
    const byStatus = entry(byMethod, method, () => new Map<number, Series>());
    return entry(byStatus, status, () => new Series({ route, method, status: String(status) }));
  }

  /** What prom-client prints; its types leave out that it asks so. */
  async getForPromString() {
    const all = [...this.#series.values()].flatMap((byMethod) =>
      [...byMethod.values()].flatMap((byStatus) => [...byStatus.values()]),
    );
    const values = all.flatMap((series) => this.#valuesOf(series));
    return { name, help, type: "histogram", aggregator: "sum", values };
  }

  #valuesOf({ labels, counts, sum, count }: Series): MetricValueWithName<Label>[] {
    const value = (suffix: string, of: number, more: object = {}) => ({
      metricName: `${name}_${suffix}`,
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

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
