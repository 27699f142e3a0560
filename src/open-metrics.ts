/** Serves the metrics on an address of their own, as CNCF distribution's debugging server does. Part of the composition root. */
import { createServer } from "node:http";
import type { Logger } from "pino";
import type { Config } from "./config/config.js";
import type { Observer } from "./http/app.js";
import { Metrics } from "./observe/metrics.js";
import type { Services } from "./registry/services.js";

export interface OpenedMetrics {
  readonly observer: Observer;
  close(): void;
}

/** `undefined` where they are not wanted. Rejects where the address is taken. */
export async function openMetrics(
  { addr, prometheus }: Config["http"]["debug"],
  services: Services,
  log: Logger,
): Promise<OpenedMetrics | undefined> {
  if (addr === undefined || !prometheus.enabled) return undefined;
  const metrics = new Metrics(services);
  const server = createServer((request, response) => {
    if (request.method !== "GET" || request.url?.split("?")[0] !== prometheus.path) {
      response.writeHead(404).end();
      return;
    }
    metrics.text().then(
      (text) => response.writeHead(200, { "Content-Type": metrics.contentType }).end(text),
      (error: unknown) => {
        log.error({ err: error }, "the metrics cannot be told");
        response.writeHead(500).end();
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(addr.port, addr.host || "::", resolve);
  });
  return {
    observer: metrics.observe,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
