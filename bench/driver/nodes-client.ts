/** A client of several nodes: it stays with one of them, or goes to the next one for each request. */
import type { Contender } from "../contenders.js";
import { Connection, type Requester, type RequestOptions } from "./connection.js";
import type { Reply } from "./reply.js";

/** What clients must know of the nodes. */
export type Nodes = Pick<Contender, "nodes" | "ca">;

export class NodesClient implements Requester, Disposable {
  #next = 0;

  private constructor(readonly connections: readonly Connection[]) {}

  /** Client `number` begins with a node of its own. */
  static async open({ nodes, ca }: Nodes, number: number, hops: boolean): Promise<NodesClient> {
    const first = number % nodes.length;
    const own = hops ? [...nodes.slice(first), ...nodes.slice(0, first)] : nodes.slice(first, first + 1);
    return new NodesClient(await Promise.all(own.map(({ port }) => Connection.open({ port, ca }))));
  }

  request(method: string, path: string, options?: RequestOptions): Promise<Reply> {
    const connection = this.connections[this.#next++ % this.connections.length];
    if (connection === undefined) throw new Error("a contender has a node");
    return connection.request(method, path, options);
  }

  [Symbol.dispose](): void {
    for (const connection of this.connections) connection[Symbol.dispose]();
  }
}

/** Opens clients, and closes them when `use` has ended in any way. */
export async function withClients<T>(
  contender: Nodes,
  { count, hops }: { readonly count: number; readonly hops: boolean },
  use: (clients: readonly NodesClient[]) => Promise<T>,
): Promise<T> {
  const clients = await Promise.all(
    Array.from({ length: count }, (_, number) => NodesClient.open(contender, number, hops)),
  );
  try {
    return await use(clients);
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
}
