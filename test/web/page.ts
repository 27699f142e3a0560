// Reading pages without a browser.

import assert from "node:assert/strict";
import type { Client } from "../support/client.js";

/** A page is smaller than this. */
export const pageBytesMax = 50_000;

/** Reads a page with all its parts. */
export async function readPage(client: Client, path: string): Promise<string> {
  const { status, body } = await client.get(path);
  const page = body.toString();
  assert.equal(status, 200, `${path}: ${page}`);
  assert.ok(!page.includes("data-pending"), `${path} stays pending`);
  return page;
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', amp: "&", "#39": "'" };

/** What a reader sees of the page, without the addresses of links. */
export function textOf(page: string): string {
  return page
    .replace(/<[^>]*>/g, "")
    .replace(/&(lt|gt|quot|amp|#39);/g, (_, name: string) => entities[name] ?? "");
}
