// Parses Prometheus' text format, as far as our metrics use it.

import { readFile } from "node:fs/promises";
import { freePort } from "./free-port.js";
import type { GantrySettings } from "./gantry.js";

export interface Measured<Server> {
  readonly gantry: Server;
  /** Returns the current page. */
  page(): Promise<Response>;
}

/** A server with metrics that `start` starts, and the caller must stop. */
export async function startMeasured<Server>(
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

/** The rows of docs/metrics.md: those of every server, of one with a bucket and other nodes, and of one with several processes. */
export async function documentedRows(): Promise<[alone: string[], shared: string[], processes: string[]]> {
  const text = await readFile(new URL("../../../docs/metrics.md", import.meta.url), "utf8");
  const [alone = "", shared = "", processes = ""] = text.split(/\n## With (?:a bucket|several processes)/);
  const rows = (part: string) => part.split("\n").filter((line) => line.startsWith("| `gantry_"));
  return [rows(alone), rows(shared), rows(processes)];
}

/** Returns the metrics of a page as rows of docs/metrics.md, in their order. */
export function rowsOf(page: string): string[] {
  return Array.from(
    page.matchAll(/^# HELP (gantry_\w+) (.*)\n# TYPE \w+ (\w+)$/gm),
    ([, name = "", help, type]) => `| \`${name}\` | ${labelsOf(page, name)} | ${type} | ${help} |`,
  ).sort();
}

/** Label names of the metric's series, except a histogram's bounds. */
function labelsOf(page: string, name: string): string {
  const [, labels = ""] = new RegExp(`^${name}(?:_count)?\\{(.*)\\} `, "m").exec(page) ?? [];
  return Array.from(labels.matchAll(/(\w+)="/g), ([, label]) => `\`${label}\``).join(", ");
}
