/** Many clients with a connection each, which take jobs from one queue, and the time of each job. */
import { percentile } from "../statistics.js";
import { Connection } from "./connection.js";
import type { Endpoint } from "./endpoint.js";

/** Opens the connections, and closes them when `use` has ended in any way. */
export async function withConnections<T>(
  endpoint: Endpoint,
  count: number,
  use: (connections: readonly Connection[]) => Promise<T>,
): Promise<T> {
  const connections = await Promise.all(Array.from({ length: count }, () => Connection.open(endpoint)));
  try {
    return await use(connections);
  } finally {
    for (const connection of connections) connection[Symbol.dispose]();
  }
}

/** Runs each job once, as many concurrently as there are connections. */
export async function workOff<C, T>(
  connections: readonly C[],
  jobs: Iterable<T>,
  work: (connection: C, job: T) => Promise<unknown>,
): Promise<void> {
  const queue = jobs[Symbol.iterator]();
  await Promise.all(
    connections.map(async (connection) => {
      for (let next = queue.next(); next.done !== true; next = queue.next())
        await work(connection, next.value);
    }),
  );
}

/** Durations of many equal operations. */
export class Durations {
  readonly #milliseconds: number[] = [];

  async measure<T>(work: Promise<T>): Promise<T> {
    const begin = performance.now();
    const result = await work;
    this.#milliseconds.push(performance.now() - begin);
    return result;
  }

  /** Percentiles by name for a sample's details, such as `pushP99Milliseconds`. */
  details(of: string): Record<string, number> {
    return {
      [`${of}P50Milliseconds`]: percentile(this.#milliseconds, 0.5),
      [`${of}P99Milliseconds`]: percentile(this.#milliseconds, 0.99),
    };
  }
}
