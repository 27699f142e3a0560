/** Creates the HTTP app from the settings, without listening. */
import type { Gate } from "../auth/gate.js";
import type { Config } from "../config/config.js";
import { App, type AppOptions } from "../http/app.js";
import { ConnectionGuard } from "../http/connection-guard.js";
import type { SharedLimits } from "../lib/shared-limits.js";
import type { OpenedFront } from "./front.js";
import type { Opening } from "./opening.js";
import { originWarnings } from "./origin-warnings.js";
import { redirectsOf } from "./redirects.js";
import { requestFailures } from "./request-failures.js";

/** The parts opened before. */
export type AppParts = Pick<
  AppOptions,
  | "services"
  | "login"
  | "upstreams"
  | "web"
  | "metrics"
  | "observers"
  | "auditGate"
  | "onEvent"
  | "beginTrace"
  | "chunks"
> & { readonly gate: Gate; readonly front: OpenedFront };

export function openApp({ config, log, closers, group }: Opening, { front, ...parts }: AppParts): App {
  const { http, limits } = config;
  const { tls, counts, proxies, onRefused } = front;
  const app = new App({
    ...parts,
    ...(tls && { peerOf: tls.peerOf }),
    redirects: redirectsOf(config.storage.redirect),
    headers: Object.entries(http.headers).flatMap(([name, values]) =>
      values.map((value) => [name, value] as const),
    ),
    headerBytesMax: limits.headerbytes,
    ...boundsOf(limits, group?.limits),
    connections:
      tls?.connections === undefined
        ? new ConnectionGuard({
            counts,
            proxies: proxies?.ranges,
            onRefused: (client, refusal) => onRefused(refusal, client),
          })
        : undefined,
    proxies,
    keepAlive: http.keepalive,
    publicOrigin: http.host,
    onOrigin: originWarnings(log),
    absoluteLocations: !http.relativeurls,
    onUnexpectedError: requestFailures(log),
  });
  closers.add("connections", () => app.close());
  return app;
}

/** Returns the limits of clients and the timeouts for slow clients, from the settings. */
export function boundsOf(
  { requests, uploads, forms, slow }: Config["limits"],
  shared?: SharedLimits,
): Pick<AppOptions, "timeouts" | "limits"> {
  return {
    timeouts: {
      senderSeconds: slow.sender ?? Number.POSITIVE_INFINITY,
      smallBodySeconds: slow.small,
      readerSeconds: slow.reader,
    },
    limits: {
      requestsPerSecond: requests.rate,
      requestBurst: requests.burst,
      uploadsMax: uploads.total,
      uploadsPerClientMax: uploads.perclient,
      formsMax: forms.total,
      formsPerClientMax: forms.perclient,
      shared,
    },
  };
}
