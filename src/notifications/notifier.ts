/** Makes events of what requests have done, and gives them to the endpoints that want them. */
import type { Exchange } from "../http/exchange.js";
import type { Occurrence } from "../registry/occurrence.js";
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

  readonly tell = (exchange: Exchange, occurrence: Occurrence): void => {
    // Who has gone has pulled nothing. What was pushed or deleted is so all the same.
    if (exchange.aborted && occurrence.action === "pull") return;
    const mediaType = mediaTypeOf(occurrence);
    let event: string | undefined;
    for (const endpoint of this.endpoints) {
      if (!endpoint.wants(occurrence.action, mediaType)) continue;
      event ??= this.#writer.write(exchange, occurrence);
      endpoint.take(event);
    }
  };
}
