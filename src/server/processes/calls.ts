/** Questions between the processes of a server by parts that the cluster port does not know. */
import type { Peer } from "../../cluster/socket/peer.js";

export type CallHandler = (payload: unknown) => unknown;

export class Calls {
  readonly #handlers = new Map<string, CallHandler>();

  constructor(readonly peer: Peer) {
    peer.handlers.on("call", async ({ service, payload }) => {
      const handler = this.#handlers.get(service);
      if (handler === undefined) throw new Error(`this process does not answer ${service}`);
      return handler(payload);
    });
  }

  /** Answers the calls of others. The result must be JSON. */
  answer(service: string, handler: CallHandler): void {
    this.#handlers.set(service, handler);
  }

  /** Resolves with the answers of all other processes. */
  async ask(service: string, payload: unknown): Promise<readonly unknown[]> {
    return [...(await this.peer.ask<"call">({ kind: "call", service, payload })).values()];
  }

  /** Sends to all other processes. */
  tell(service: string, payload: unknown): void {
    this.peer.tell("others", { kind: "call", service, payload });
  }
}
