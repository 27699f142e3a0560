// A receiver of webhooks, for tests: a real server that records envelopes and responds as the test decides.

import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";
import { eventually } from "./store.js";

export interface WebhookEvent {
  readonly id: string;
  readonly timestamp: string;
  readonly action: string;
  readonly target: {
    readonly mediaType?: string;
    readonly digest?: string;
    readonly size?: number;
    readonly length?: number;
    readonly repository: string;
    readonly fromRepository?: string;
    readonly url?: string;
    readonly tag?: string;
    readonly references?: readonly Readonly<Record<string, unknown>>[];
  };
  readonly request: {
    readonly id: string;
    readonly addr: string;
    readonly host: string;
    readonly method: string;
    readonly useragent: string;
  };
  readonly actor: { readonly name?: string };
  readonly source: { readonly addr: string; readonly instanceID: string };
}

export interface Envelope {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly events: readonly WebhookEvent[];
  /** `performance.now()` at its arrival. */
  readonly at: number;
}

/** Responds to an envelope, or does not; `tries` is the number of earlier ones. */
export type AnswerEnvelope = (response: ServerResponse, envelope: Envelope, tries: number) => void;

export class WebhookReceiver {
  /** All received envelopes, accepted or not. */
  readonly envelopes: Envelope[] = [];
  /** The events of accepted envelopes. */
  readonly taken: WebhookEvent[] = [];
  readonly #server = createServer((incoming, response) => void this.#receive(incoming, response));

  private constructor(public answer: AnswerEnvelope) {}

  /** Call it before the file's first test, or in one; it ends with the file. */
  static async start(answer: AnswerEnvelope = (response) => response.end()): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver(answer);
    await new Promise<void>((resolve) => receiver.#server.listen(0, "127.0.0.1", resolve));
    after(() => {
      receiver.#server.close();
      receiver.#server.closeAllConnections();
    });
    return receiver;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #receive(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { events } = JSON.parse(Buffer.concat(chunks).toString()) as { events: WebhookEvent[] };
    const { url: path = "", headers } = incoming;
    const envelope = { path, headers, events, at: performance.now() };
    const tries = this.envelopes.push(envelope) - 1;
    response.once("finish", () => {
      if (response.statusCode < 400) this.taken.push(...events);
    });
    this.answer(response, envelope, tries);
  }

  /** Resolves with the events about a repository, once there are this many. */
  eventsOf(repository: string, count = 1): Promise<WebhookEvent[]> {
    return eventually(`${count} events of ${repository}`, () => {
      const events = this.taken.filter(({ target }) => target.repository === repository);
      return events.length >= count ? events : undefined;
    });
  }
}

/** Settings with these endpoints. */
export function webhooksTo(...endpoints: readonly Readonly<Record<string, unknown>>[]): {
  readonly REGISTRY_NOTIFICATIONS_ENDPOINTS: string;
} {
  return { REGISTRY_NOTIFICATIONS_ENDPOINTS: JSON.stringify(endpoints) };
}
