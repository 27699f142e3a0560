/** How long Gantry takes for its pages, and how large they are, with many repositories and with many tags. */
import { strict as assert } from "node:assert";
import { setTimeout } from "node:timers/promises";
import { Client } from "undici";
import { startContender } from "../contenders.js";
import { progress } from "../progress.js";
import { catalog, type Listing, tags } from "../scenarios/listings.js";
import { median } from "../statistics.js";
import { repositoryAt, tagAt } from "../stores/lay.js";
import { laying } from "../stores/store-in.js";
import { markdownTable } from "../table.js";
import { spell } from "../units.js";

const repetitions = 50;
const completeMsMax = 120_000;
const retryMs = 50;

interface LargeStore {
  readonly what: string;
  readonly listing: Listing;
  readonly entries: number;
  /** What each page is called, and its path. */
  readonly pages: Readonly<Record<string, string>>;
}

const tagsPath = `/ui/r/${repositoryAt(0)}/_tags`;

const stores: readonly LargeStore[] = [
  {
    what: "100,000 repositories",
    listing: catalog,
    entries: 100_000,
    pages: {
      "the first page": "/ui/",
      "a namespace": "/ui/?in=laid",
      "the same, from its middle": `/ui/?in=laid&last=${catalog.middle(100_000)}`,
      "a search": "/ui/?q=app-00500",
      "a search without result": "/ui/?q=nothing",
    },
  },
  {
    what: "20,000 tags",
    listing: tags,
    entries: 20_000,
    pages: {
      "the newest": tagsPath,
      "by version": `${tagsPath}?sort=version`,
      "by name, page 200": `${tagsPath}?sort=name&page=200`,
      "with a filter": `${tagsPath}?filter=${tagAt(3, 15)}`,
    },
  },
];

const columns = [
  "store",
  "page",
  "first response (ms)",
  "complete after (ms)",
  "later: median (ms)",
  "slowest (ms)",
  "HTML (KB)",
];

/** Each page is requested first from a server that has just started. */
export async function measureLarge(): Promise<void> {
  process.stdout.write(`${markdownTable(columns, []).join("\n")}\n`);
  for (const { what, listing, entries, pages } of stores) {
    progress(`writing a store with ${what}`);
    const settings = { REGISTRY_HTTP_UI_ENABLED: "true" };
    const lay = laying(listing.shape(entries));
    await using gantry = await startContender("gantry", { subject: "gantry" }, { settings, lay });
    if (gantry === undefined) throw new Error("Gantry is not built");
    for (const [page, path] of Object.entries(pages)) {
      await gantry.restart();
      const row = [what, page, ...(await measurePage(gantry.port, path))];
      process.stdout.write(`${markdownTable(columns, [row]).slice(2).join("\n")}\n`);
    }
  }
}

interface Answer {
  readonly ms: number;
  readonly bytes: number;
  /** Whether a part of the page is still computed. */
  readonly isPending: boolean;
}

async function measurePage(port: number, path: string): Promise<readonly string[]> {
  const client = new Client(`http://127.0.0.1:${port}`);
  try {
    const begun = performance.now();
    const first = await get(client, path);
    let last = first;
    while (last.isPending) {
      assert(performance.now() - begun < completeMsMax, `${path} does not become complete`);
      await setTimeout(retryMs);
      last = await get(client, path);
    }
    const completeMs = performance.now() - begun;
    const later: Answer[] = [];
    for (let count = 0; count < repetitions; count++) later.push(await get(client, path));
    const times = later.map(({ ms }) => ms);
    const bytesMax = Math.max(...[first, ...later].map(({ bytes }) => bytes));
    return [first.ms, completeMs, median(times), Math.max(...times), bytesMax / 1000].map(spell);
  } finally {
    await client.destroy();
  }
}

async function get(client: Client, path: string): Promise<Answer> {
  const begun = performance.now();
  const { statusCode, body } = await client.request({ method: "GET", path });
  const html = await body.text();
  assert.equal(statusCode, 200, path);
  return {
    ms: performance.now() - begun,
    bytes: Buffer.byteLength(html),
    isPending: html.includes("data-pending"),
  };
}
