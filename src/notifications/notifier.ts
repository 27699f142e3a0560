/** Makes events of what requests have done, and gives them to the endpoints that want them. */
import type { Exchange } from "../http/exchange.js";
import type { Occurrence } from "../registry/occurrence.js";
import type { Endpoint } from "./endpoint.js";
import { type EventOptions, eventOf, mediaTypeOf } from "./event.js";

export class Notifier {
  constructor(
    readonly endpoints: readonly Endpoint[],
    readonly options: EventOptions,
  ) {}

  readonly tell = (exchange: Exchange, occurrence: Occurrence): void => {
    // Who has gone has pulled nothing. What was pushed or deleted is so all the same.
    if (exchange.aborted && occurrence.action === "pull") return;
    const mediaType = mediaTypeOf(occurrence);
    let event: string | undefined;
    for (const endpoint of this.endpoints) {
      if (!endpoint.wants(occurrence.action, mediaType)) continue;
      event ??= JSON.stringify(eventOf(exchange, occurrence, this.options));
      endpoint.take(event);
    }
  };
}
