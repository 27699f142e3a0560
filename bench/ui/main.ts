/**
 * Measures in a browser how soon the pages of Gantry and of other registries show their content, and what they transfer.
 * `npm run bench:ui -- --peer zot=http://127.0.0.1:8080`; `--help` has the rest.
 */
import { parseArgs } from "node:util";
import { type Browser, chromium } from "playwright-core";
import { startContender } from "../contenders.js";
import { progress } from "../progress.js";
import { spreadOf } from "../statistics.js";
import { markdownTable, spellSpread } from "../table.js";
import { type Amounts, type PushedImage, pushContent } from "./content.js";
import { measureLarge } from "./large.js";
import { loadTwice, type Network, type PageLoad } from "./load-page.js";
import { type Measured, type PageKind, pageKinds, parsePeer, registries, remembered } from "./registries.js";

const usage = `npm run bench:ui -- [--peer KIND=URL]… [--rounds N] [--tags N] [--repositories N] [--only PAGE[,PAGE]]
npm run bench:ui -- --large
Pushes the same content to Gantry, which it starts, and to each peer, which must be empty and let anybody push. Then loads
the same pages of all in chromium, in turns.
  --peer KIND=URL    a running ${Object.keys(registries).join(" or ")}
  --rounds N         default 5
  --repositories N   default 12
  --tags N           of the visited repository; default 20
  --only PAGE        ${pageKinds.join(", ")}
  --large            instead, the time and size of Gantry's pages with 100,000 repositories and with 20,000 tags
`;

const networks: readonly Network[] = [
  { name: "loopback" },
  { name: "slow", limit: { roundTripMs: 150, downBitsPerSecond: 1_600_000, upBitsPerSecond: 750_000 } },
];

const columns = [
  "page",
  "network",
  "registry",
  "content visible (ms)",
  "complete (ms)",
  "main script loaded (ms)",
  "requests",
  "KB",
  "visible again (ms)",
  "KB again",
];

interface Site extends Measured {
  readonly image: PushedImage;
}

interface Series {
  readonly site: Site;
  readonly loads: { readonly first: PageLoad; readonly again: PageLoad }[];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      peer: { type: "string", multiple: true, default: [] },
      rounds: { type: "string", default: "5" },
      repositories: { type: "string", default: "12" },
      tags: { type: "string", default: "20" },
      only: { type: "string", default: pageKinds.join(",") },
      large: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void process.stdout.write(usage);
  if (values.large) return await measureLarge();
  const amounts = { repositories: atLeastOne(values.repositories), tags: atLeastOne(values.tags) };
  await measure(values.peer.map(parsePeer), amounts, atLeastOne(values.rounds), pagesIn(values.only));
}

function atLeastOne(given: string): number {
  const number = Number(given);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`${given} is not a number from 1 on`);
  return number;
}

function pagesIn(given: string): readonly PageKind[] {
  return given.split(",").map((name) => {
    const kind = pageKinds.find((kind) => kind === name);
    if (kind === undefined) throw new Error(`--only must be of ${pageKinds.join(", ")}`);
    return kind;
  });
}

async function measure(
  peers: readonly Measured[],
  amounts: Amounts,
  rounds: number,
  pages: readonly PageKind[],
): Promise<void> {
  const settings = { REGISTRY_HTTP_UI_ENABLED: "true" };
  await using gantry = await startContender("gantry", { subject: "gantry" }, { settings });
  if (gantry === undefined) throw new Error("Gantry is not built");
  const sites: Site[] = [];
  for (const site of [{ kind: "gantry", url: `http://127.0.0.1:${gantry.port}` } as const, ...peers]) {
    progress(`pushing to ${site.kind}`);
    sites.push({ ...site, image: await pushContent(site.url, amounts) });
  }
  const browser = await chromium.launch({
    executablePath: process.env.GANTRY_CHROMIUM ?? "/usr/bin/chromium",
    // As root, chromium has no sandbox. It loads pages of this machine only.
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });
  try {
    process.stdout.write(`${markdownTable(columns, []).join("\n")}\n`);
    for (const page of pages) {
      for (const network of networks) {
        const rows = rowsOf(page, network, await inTurns(browser, sites, page, network, rounds));
        process.stdout.write(`${rows.join("\n")}\n`);
      }
    }
  } finally {
    await browser.close();
  }
}

/** The first site changes from round to round. */
async function inTurns(
  browser: Browser,
  sites: readonly Site[],
  page: PageKind,
  network: Network,
  rounds: number,
): Promise<readonly Series[]> {
  const series = sites.map((site): Series => ({ site, loads: [] }));
  for (let round = 0; round < rounds; round++) {
    progress(`${page}, ${network.name}: round ${round + 1} of ${rounds}`);
    const first = round % series.length;
    for (const { site, loads } of [...series.slice(first), ...series.slice(0, first)]) {
      const { path, text } = registries[site.kind](site.image)[page];
      const target = { url: site.url + path, text, remembered: remembered[site.kind] ?? {} };
      loads.push(await loadTwice(browser, target, network));
    }
  }
  return series;
}

function rowsOf(page: PageKind, network: Network, series: readonly Series[]): readonly string[] {
  const figures = series.map(({ site, loads }) => {
    const spread = (figure: (load: PageLoad) => number | undefined, which: "first" | "again" = "first") => {
      const values = loads.flatMap((load) => figure(load[which]) ?? []);
      return values.length === 0 ? "-" : spellSpread(spreadOf(values.map(Math.round)));
    };
    const kilobytes = ({ bytes }: PageLoad) => bytes / 1000;
    return [
      page,
      network.name,
      site.kind,
      spread(({ visibleMs }) => visibleMs),
      spread(({ completeMs }) => completeMs),
      spread(({ scriptMs }) => scriptMs),
      spread(({ requests }) => requests),
      spread(kilobytes),
      spread(({ visibleMs }) => visibleMs, "again"),
      spread(kilobytes, "again"),
    ];
  });
  return markdownTable(columns, figures).slice(2);
}

await main();
