// Reading pages without a browser.

import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import type { Client } from "../support/client.js";

/** A page is smaller than this. */
export const pageBytesMax = 50_000;

const tries = 60;

/** Reads a page, again while parts of it are pending. */
export async function readPage(client: Client, path: string): Promise<string> {
  for (let number = 0; ; number++) {
    const { status, body } = await client.get(path);
    const page = body.toString();
    assert.equal(status, 200, `${path}: ${page}`);
    if (!page.includes("data-pending") || number >= tries) {
      assert.ok(number < tries, `${path} stays pending`);
      return page;
    }
    await setTimeout(100);
  }
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', amp: "&", "#39": "'" };

/** What a reader sees of the page, without the addresses of links. */
export function textOf(page: string): string {
  return page
    .replace(/<[^>]*>/g, "")
    .replace(/&(lt|gt|quot|amp|#39);/g, (_, name: string) => entities[name] ?? "");
}
