// A browser's stream of changes, read as fast as it arrives, or not at all.

import assert from "node:assert/strict";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { until } from "./until.js";

export interface SeenUpdate {
  readonly changes: readonly { readonly kind: string; readonly name: string; readonly tag?: string }[];
  readonly hasMore: boolean;
}

export class EventReader implements Disposable {
  readonly updates: SeenUpdate[] = [];
  bytes = 0;
  ended = false;
  #text = "";

  private constructor(
    readonly request: ClientRequest,
    readonly response: IncomingMessage,
  ) {
    response.on("data", (chunk: Buffer) => {
      this.bytes += chunk.length;
      this.#read(chunk.toString());
    });
    for (const event of ["end", "close", "error"]) {
      response.on(event, () => {
        this.ended = true;
      });
    }
  }

  /** Resolves when the response has begun. `headers` may have a cookie. */
  static open(
    url: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<EventReader> {
    return new Promise((resolve, reject) => {
      const outgoing = request(`${url}${path}`, { headers, agent: false }, (incoming) => {
        incoming.on("error", () => {});
        resolve(new EventReader(outgoing, incoming));
      });
      outgoing.on("error", reject);
      outgoing.end();
    });
  }

  get status(): number {
    return this.response.statusCode ?? 0;
  }

  /** Resolves when an update says what `look` wants, and fails if none does. */
  async saw(what: string, look: (update: SeenUpdate) => boolean): Promise<void> {
    await until(what, () => this.updates.some(look));
  }

  async sawEnd(): Promise<void> {
    await until("the end of the stream", () => this.ended);
  }

  [Symbol.dispose](): void {
    this.request.destroy();
  }

  #read(text: string): void {
    this.#text += text;
    const events = this.#text.split("\n\n");
    this.#text = events.pop() ?? "";
    for (const event of events) {
      const [, data] = /^event: change\ndata: (.*)$/.exec(event) ?? [];
      if (data !== undefined) this.updates.push(JSON.parse(data) as SeenUpdate);
      else assert.match(event, /^(:|retry: \d+)$/);
    }
  }
}
