// Parses Prometheus' text format, as far as our metrics use it.

import { freePort } from "./free-port.js";
import type { GantrySettings, RunningGantry } from "./gantry.js";

export interface Measured<Server extends RunningGantry> {
  readonly gantry: Server;
  /** Returns the current page. */
  page(): Promise<Response>;
}

/** A server with metrics that `start` starts, and the caller must stop. */
export async function startMeasured<Server extends RunningGantry>(
  start: (settings: GantrySettings, root?: string) => Promise<Server>,
  settings: GantrySettings = {},
  root?: string,
): Promise<Measured<Server>> {
  const address = `127.0.0.1:${await freePort()}`;
  const measuring = {
    REGISTRY_HTTP_DEBUG_ADDR: address,
    REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED: "true",
  };
  const gantry = await start({ ...measuring, ...settings }, root);
  return { gantry, page: () => fetch(`http://${address}/metrics`) };
}

/** Values by the start of their line, such as `name{label="value"}`. */
export function valuesOf(page: string): Map<string, number> {
  const lines = page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(" ")),
      Number(line.slice(line.lastIndexOf(" ") + 1)),
    ]),
  );
}
