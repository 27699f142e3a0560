/**
 * Liveness and readiness, for operators: outside the API and without a login. The state is already known when a probe asks,
 * so probes cost nothing.
 */
import type { Health } from "../registry/health.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";
import type { Page } from "./page-server.js";

const headers = [
  ["Content-Type", "application/json"],
  ["Cache-Control", "no-store"],
] as const;

/** The response itself is the signal: it does not report faults that a restart cannot repair. */
export function liveness(): Page {
  return { status: 200, headers, body: '{"status":"alive"}' };
}

/** A process that is being replaced gets no connections, so that the server is ready without it. */
export function readiness(health: Pick<Health, "ready" | "stopping" | "failures" | "missing">): Page {
  const { ready, stopping, failures, missing } = health;
  const processes = missing && { processes: missing };
  if (ready) return { status: 200, headers, body: JSON.stringify({ status: "ready", ...processes }) };
  const status = stopping ? "stopping" : failures === undefined ? "starting" : "failing";
  return {
    status: 503,
    headers,
    body: JSON.stringify({ status, ...(failures !== undefined && { failures }), ...processes }),
  };
}

export function getLiveness(_context: HttpContext, exchange: Exchange): void {
  send(exchange, liveness());
}

export function getReadiness({ services: { health } }: HttpContext, exchange: Exchange): void {
  send(exchange, readiness(health));
}

function send(exchange: Exchange, { status, headers, body }: Page): void {
  exchange.send(status, headers, body);
}
