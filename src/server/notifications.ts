/** Creates the webhook endpoints from the settings. Part of the composition root. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Logger } from "pino";
import type { Config } from "../config/config.js";
import type { RegistryEventListener } from "../http/context.js";
import { endsWithin } from "../lib/ends-within.js";
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

/** Media types of the same format in the major versions of CNCF distribution. */
const contentTypes = {
  v1: "application/vnd.docker.distribution.events.v1+json",
  v2: "application/vnd.docker.distribution.events.v2+json",
} as const;

const mebibyte = 1024 * 1024;

/** Returns undefined if there is no endpoint. On shutdown, delivers waiting events while `drain` has time left. */
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
    const milliseconds = Math.max(0, drain.secondsLeft) * 1000;
    await endsWithin(milliseconds, Promise.all(endpoints.map((endpoint) => endpoint.flush())));
    await Promise.all(opened.map(({ receiver }) => receiver.close()));
    for (const { options, pending } of endpoints)
      if (pending > 0)
        log.warn(
          { endpoint: options.name, events: pending },
          "events were not delivered before shutdown, and are lost",
        );
  });
  return { listener: notifier.tell, endpoints };
}

function openEndpoint(settings: EndpointSettings, contentType: string, logger: Logger) {
  const { name, ignore, ignoredmediatypes, queue } = settings;
  const url = new URL(settings.url.reveal());
  // Log only the origin: path and query may contain a secret.
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
      log.warn(
        { to: origin },
        "the webhook endpoint redirects to another origin, which is not followed: its events are lost; set its URL to the final address",
      ),
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
    onFailing: (error) => log.error({ err: error }, "the webhook endpoint does not accept events; retrying"),
    onWell: (failures) => log.info({ failures }, "the webhook endpoint accepts events again"),
    onFull: () => log.error("too many events wait for the webhook endpoint: dropping the oldest"),
    onDropped: (events) => log.error({ events }, "events for the webhook endpoint were dropped"),
  });
  log.info("webhook endpoint enabled");
  return { endpoint, receiver };
}
