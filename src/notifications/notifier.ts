/** Creates events for the effects of requests and passes them to the matching endpoints. */
import type { Exchange } from "../http/exchange.js";
import type { RegistryEvent } from "../registry/registry-event.js";
import type { Endpoint } from "./endpoint.js";
import { type EventOptions, EventWriter, mediaTypeOf } from "./event.js";

export class Notifier {
  readonly #writer: EventWriter;

  constructor(
    readonly endpoints: readonly Endpoint[],
    options: EventOptions,
  ) {
    this.#writer = new EventWriter(options);
  }

  readonly tell = (exchange: Exchange, event: RegistryEvent): void => {
    // A client that disconnected has not pulled. A push or deletion counts nevertheless.
    if (exchange.aborted && event.action === "pull") return;
    const mediaType = mediaTypeOf(event);
    let json: string | undefined;
    for (const endpoint of this.endpoints) {
      if (!endpoint.wants(event.action, mediaType)) continue;
      json ??= this.#writer.write(exchange, event);
      endpoint.take(json);
    }
  };
}
