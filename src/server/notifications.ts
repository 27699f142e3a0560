/** Makes the endpoints of webhooks, of the settings. Part of the composition root. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout } from "node:timers/promises";
import type { Logger } from "pino";
import type { Config } from "../config/config.js";
import type { RegistryEventListener } from "../http/context.js";
import { Endpoint } from "../notifications/endpoint.js";
import { Notifier } from "../notifications/notifier.js";
import { Receiver } from "../notifications/receiver.js";
import type { DrainClock } from "./drain-clock.js";
import type { Opening } from "./opening.js";

export interface OpenedNotifications {
  readonly listener: RegistryEventListener;
  readonly endpoints: readonly Endpoint[];
}

type EndpointSettings = Config["notifications"]["endpoints"][number];

/** Major versions of CNCF distribution, and what they call the same format. */
const contentTypes = {
  v1: "application/vnd.docker.distribution.events.v1+json",
  v2: "application/vnd.docker.distribution.events.v2+json",
} as const;

const mebibyte = 1024 * 1024;

/** Returns undefined if there is nobody to notify. What waits at the end is delivered while `drain` has time left. */
export function openNotifications(
  { config: { notifications, http }, log, closers }: Opening,
  drain: DrainClock,
): OpenedNotifications | undefined {
  const { events } = notifications;
  const opened = notifications.endpoints
    .filter(({ disabled }) => !disabled)
    .map((settings) => openEndpoint(settings, contentTypes[events.mediatype], log));
  if (opened.length === 0) return undefined;
  const endpoints = opened.map(({ endpoint }) => endpoint);
  const notifier = new Notifier(endpoints, {
    source: { addr: `${hostname()}:${http.addr.port}`, instanceID: randomUUID() },
    includeReferences: events.includereferences,
    publicOrigin: http.host,
  });
  closers.add("notifications", async () => {
    const late = new AbortController();
    const milliseconds = Math.max(0, drain.secondsLeft) * 1000;
    const limit = setTimeout(milliseconds, undefined, { signal: late.signal }).catch(() => {});
    await Promise.race([Promise.all(endpoints.map((endpoint) => endpoint.flush())), limit]);
    late.abort();
    await Promise.all(opened.map(({ receiver }) => receiver.close()));
    for (const { options, pending } of endpoints)
      if (pending > 0) log.warn({ endpoint: options.name, events: pending }, "webhooks were not delivered");
  });
  return { listener: notifier.tell, endpoints };
}

function openEndpoint(settings: EndpointSettings, contentType: string, logger: Logger) {
  const { name, ignore, ignoredmediatypes, queue } = settings;
  const url = new URL(settings.url.reveal());
  // Of the address no more than this: its path and its query may be what lets a caller in.
  const log = logger.child({ endpoint: name, at: url.origin });
  const receiver = new Receiver({
    url,
    headers: Object.fromEntries(
      Object.entries(settings.headers).map(([header, values]) => [
        header,
        values.map((value) => value.reveal()),
      ]),
    ),
    contentType,
    secondsMax: settings.timeout,
    onRedirect: (origin) =>
      log.warn({ to: origin }, "a webhook's redirect is not followed, and what it was told of is lost"),
  });
  const endpoint = new Endpoint({
    name,
    threshold: settings.threshold,
    backOffSeconds: settings.backoff,
    ignoredMediaTypes: new Set([...ignoredmediatypes, ...ignore.mediatypes]),
    ignoredActions: new Set(ignore.actions),
    queueEventsMax: queue.events,
    queueBytesMax: queue.mib * mebibyte,
    post: (envelope) => receiver.post(envelope),
    onFailing: (error) => log.error({ err: error }, "a webhook is not taken, and will be tried again"),
    onWell: (failures) => log.info({ failures }, "webhooks are taken again"),
    onFull: () => log.error("too many webhooks wait: the oldest are dropped"),
    onDropped: (events) => log.error({ events }, "webhooks were dropped"),
  });
  log.info("webhooks go to an endpoint");
  return { endpoint, receiver };
}
