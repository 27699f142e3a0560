/** How long Gantry takes for its pages, and how large they are, with many repositories and with many tags. */
import { strict as assert } from "node:assert";
import { setTimeout } from "node:timers/promises";
import { Client } from "undici";
import { type Contender, startContender } from "../contenders.js";
import { mainThreadMilliseconds } from "../processes.js";
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

/** Starts for each figure of a first request, of which the median is shown. */
const starts = 5;
/** After this time, a server that has just started has nothing to do any more. */
const settledMs = 1_000;
/** Warms the code that all pages share. */
const otherPage = "/ui/activity";

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
  "first request after start (ms)",
  "its CPU (ms)",
  "first view (ms)",
  "its CPU (ms)",
  "complete after (ms)",
  "later: median (ms)",
  "slowest (ms)",
  "HTML (KB)",
];

/**
 * Each page is requested first from servers that have just started, and from servers that have shown another page. The CPU time is
 * that of the main thread, whatever else the machine does.
 */
export async function measureLarge(): Promise<void> {
  process.stdout.write(`${markdownTable(columns, []).join("\n")}\n`);
  for (const { what, listing, entries, pages } of stores) {
    progress(`writing a store with ${what}`);
    const settings = { REGISTRY_HTTP_UI_ENABLED: "true" };
    const lay = laying(listing.shape(entries));
    await using gantry = await startContender("gantry", { subject: "gantry" }, { settings, lay });
    if (gantry === undefined) throw new Error("Gantry is not built");
    for (const [page, path] of Object.entries(pages)) {
      const firsts = [
        ...(await measureFirst(gantry, path)),
        ...(await measureFirst(gantry, path, otherPage)),
      ];
      await gantry.restart();
      const row = [what, page, ...firsts, ...(await measurePage(gantry.port, path))];
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

/** Returns the medians of the time and of the CPU time of the first request, perhaps after one for another page. */
async function measureFirst(gantry: Contender, path: string, before?: string): Promise<readonly string[]> {
  const times: number[] = [];
  const cpuTimes: number[] = [];
  for (let start = 0; start < starts; start++) {
    await gantry.restart();
    const client = new Client(`http://127.0.0.1:${gantry.port}`);
    try {
      if (before !== undefined) {
        await setTimeout(settledMs);
        await get(client, before);
      }
      const cpuBefore = mainThreadMilliseconds(gantry.pid);
      times.push((await get(client, path)).ms);
      cpuTimes.push(mainThreadMilliseconds(gantry.pid) - cpuBefore);
    } finally {
      await client.destroy();
    }
  }
  return [median(times), median(cpuTimes)].map(spell);
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
    return [completeMs, median(times), Math.max(...times), bytesMax / 1000].map(spell);
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
