// What clients see of the history of tags.

import assert from "node:assert/strict";
import type { Client } from "./client.js";

export interface ShownEntry {
  readonly action: "pointed" | "removed";
  readonly digest?: string;
  readonly at: string;
  readonly by?: string;
  readonly current: boolean;
  readonly available: boolean;
}

export function historyPath(name: string, tag: string): string {
  return `/v2/${name}/_gantry/history/${tag}`;
}

export async function historyOf(client: Client, name: string, tag: string): Promise<readonly ShownEntry[]> {
  const answer = await client.get(historyPath(name, tag));
  assert.equal(answer.status, 200, answer.body.toString());
  const shown = answer.json() as { name: string; tag: string; entries: ShownEntry[] };
  assert.deepEqual([shown.name, shown.tag], [name, tag]);
  return shown.entries;
}

export function rollbackPath(name: string, tag: string, digest: string): string {
  return `/v2/${name}/_gantry/rollback/${tag}?digest=${digest}`;
}
