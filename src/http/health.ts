/**
 * Whether this server lives, and whether clients should come to it: for whoever runs it, and therefore beside the
 * API and without a login. What it tells is known already, so that asking costs nothing.
 */
import type { HttpContext } from "./context.js";
import type { Exchange, Headers } from "./exchange.js";

const headers: Headers = [
  ["Content-Type", "application/json"],
  ["Cache-Control", "no-store"],
];

/** That it answers is all that it says: what a restart would not mend is none of its business. */
export function getLiveness(_context: HttpContext, exchange: Exchange): void {
  exchange.send(200, headers, '{"status":"alive"}');
}

export function getReadiness({ services: { health } }: HttpContext, exchange: Exchange): void {
  if (health.ready) {
    exchange.send(200, headers, '{"status":"ready"}');
    return;
  }
  const { stopping, failures } = health;
  const status = stopping ? "stopping" : failures === undefined ? "starting" : "failing";
  exchange.send(503, headers, JSON.stringify({ status, ...(failures !== undefined && { failures }) }));
}
