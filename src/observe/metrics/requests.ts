/**
 * Metrics of requests by route, method, status and, if enabled, repository: counts, durations and bytes. Also failed logins
 * and requests refused by limits. A request adds to plain numbers, in about 0.2 us.
 */

import { limitNames } from "../../domain/errors.js";
import type { Exchange } from "../../http/exchange.js";
import { Durations } from "../../lib/durations.js";
import { methods } from "../methods.js";
import type { Instruments, Timed } from "./instruments.js";
import { RepositoryLabels } from "./repository-labels.js";

/** In seconds. A response from memory is below the first, the push of a large layer below the last. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** How a caller has tried to log in. */
const loginWays = ["basic", "bearer", "form", "other"] as const;
type LoginWay = (typeof loginWays)[number];

/** The requests for one value of the label `repository`, or all requests without that label. */
class Requests {
  received = 0;
  sent = 0;
  /** By route, method and status. All three are few, because unknown values share one. */
  readonly #durations = new Map<string, Map<string, Map<number, Durations>>>();

  durationsOf(route: string, method: string, status: number): Durations {
    const byMethod = entry(this.#durations, route, () => new Map<string, Map<number, Durations>>());
    const byStatus = entry(byMethod, method, () => new Map<number, Durations>());
    return entry(byStatus, status, () => new Durations(bounds));
  }

  *series(): Iterable<Timed<"route" | "method" | "status">> {
    for (const [route, byMethod] of this.#durations)
      for (const [method, byStatus] of byMethod)
        for (const [status, durations] of byStatus)
          yield { labels: { route, method, status: String(status) }, durations };
  }
}

export class RequestMetrics {
  readonly #labels: RepositoryLabels | undefined;
  readonly #requests = new Map<string, Requests>();
  /** Requests without a label, without a lookup. */
  readonly #all = this.#of("");
  readonly #failedLogins: Record<LoginWay, number> = { basic: 0, bearer: 0, form: 0, other: 0 };
  readonly #refused = new Map(limitNames.map((name) => [name, 0]));

  /** `repositoriesMax` is the number of repositories with their own series; 0 omits the label. */
  constructor(instruments: Instruments, repositoriesMax: number) {
    this.#labels = repositoriesMax === 0 ? undefined : new RepositoryLabels(repositoriesMax);
    this.#register(instruments, this.#labels !== undefined);
  }

  #register(instruments: Instruments, labelled: boolean): void {
    const duration = "gantry_http_request_duration_seconds";
    const what = "Time from a request's headers to the last byte of its response";
    if (labelled) {
      instruments.histogram(duration, what, ["route", "method", "status", "repository"], () => this.#timed());
    } else {
      instruments.histogram(duration, what, ["route", "method", "status"], () => this.#all.series());
    }
    for (const [name, help, of] of [
      ["received", "Bytes of request bodies", ({ received }: Requests) => received],
      ["sent", "Bytes of response bodies", ({ sent }: Requests) => sent],
    ] as const) {
      const metric = `gantry_http_${name}_bytes_total`;
      if (!labelled) instruments.counter(metric, help, () => of(this.#all));
      else instruments.counters(metric, help, "repository", () => this.#valuesOf(of));
    }
    instruments.counters(
      "gantry_logins_failed_total",
      "Requests with wrong or expired credentials, by login method",
      "way",
      () => Object.entries(this.#failedLogins),
    );
    instruments.counters(
      "gantry_http_limited_total",
      "Requests refused with 429, by limit",
      "limit",
      () => this.#refused,
    );
  }

  *#timed(): Iterable<Timed<"route" | "method" | "status" | "repository">> {
    for (const [repository, requests] of this.#requests)
      for (const { labels, durations } of requests.series())
        yield { labels: { ...labels, repository }, durations };
  }

  *#valuesOf(of: (requests: Requests) => number): Iterable<readonly [string, number]> {
    for (const [repository, requests] of this.#requests) yield [repository, of(requests)];
  }

  #of(repository: string): Requests {
    return entry(this.#requests, repository, () => new Requests());
  }

  /** An observer of requests. */
  readonly observe = (exchange: Exchange): void => {
    const { incoming, status, startedAt, endedAt, body, sent } = exchange;
    const requests = this.#labels === undefined ? this.#all : this.#of(this.#labels.of(exchange));
    const route = incoming.route?.path ?? "unknown";
    const method = methods.has(incoming.method) ? incoming.method : "other";
    if (incoming.route?.stream !== true || status !== 200)
      requests.durationsOf(route, method, status).add((endedAt - startedAt) / 1000);
    requests.received += body?.received ?? 0;
    requests.sent += sent;
    if (status === 401) this.#countLogin(exchange);
    if (exchange.limit !== undefined)
      this.#refused.set(exchange.limit, (this.#refused.get(exchange.limit) ?? 0) + 1);
  };

  /** A client without credentials, which learns how to log in, has not failed. */
  #countLogin({ incoming, identity }: Exchange): void {
    if (incoming.route?.action === "token" && incoming.body !== undefined) this.#failedLogins.form++;
    else if (incoming.authorization !== "" && identity === undefined)
      this.#failedLogins[wayOf(incoming.authorization)]++;
  }
}

function wayOf(authorization: string): LoginWay {
  const scheme = authorization.split(" ", 1)[0]?.toLowerCase();
  return loginWays.find((way) => way === scheme) ?? "other";
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
