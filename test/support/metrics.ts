// Parses Prometheus' text format, as far as our metrics use it.

import { freePort } from "./free-port.js";
import { type Gantry, type GantrySettings, startGantry } from "./gantry.js";

export interface Measured {
  readonly gantry: Gantry;
  /** Returns the current page. */
  page(): Promise<Response>;
}

/** A server with metrics, which the caller must stop. */
export async function startMeasured(settings: GantrySettings = {}, root?: string): Promise<Measured> {
  const address = `127.0.0.1:${await freePort()}`;
  const measuring = {
    REGISTRY_HTTP_DEBUG_ADDR: address,
    REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED: "true",
  };
  const gantry = await startGantry({ ...measuring, ...settings }, root);
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
