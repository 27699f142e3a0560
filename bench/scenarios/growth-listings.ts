/**
 * The cost of another tag or repository for a list: a page of 100 in the middle, of 10 entries to 100,000. The stores are
 * generated on the disk beforehand.
 */
import { along } from "../along.js";
import { Arena, timed } from "../arena.js";
import type { Contender, ContenderName } from "../contenders.js";
import { ListingReader } from "../driver/listing.js";
import type { Growth, Sample, Settings } from "../scenario.js";
import { laying } from "../stores/store-in.js";
import { catalog, type Listing, tags } from "./listings.js";

/** 2.8 does not paginate tags. */
const peers: readonly ContenderName[] = ["distribution-3"];
/** By then the cost of a peer's page is known, and generating its folder takes minutes. */
const peerEntriesMax = 10_000;
const pageEntries = 100;
const pages = 100;

export const growthListings: readonly Growth[] = [
  {
    name: "growth-tags",
    what: "a page of 100 in the middle of all tags of a repository, of 10 to 100,000",
    along: "tags of the repository",
    unit: "ms for each page",
    better: "less",
    why: "Up to 100 entries the page itself grows; beyond it costs a page, not the list.",
    peers,
    run: (settings) => grow(settings, tags),
  },
  {
    name: "growth-repositories",
    what: "a page of 100 in the middle of the catalog, of 10 to 100,000 repositories",
    along: "repositories",
    unit: "ms for each page",
    better: "less",
    why: "Up to 100 entries the page itself grows; beyond it costs a page, not the catalog.",
    peers,
    run: (settings) => grow(settings, catalog),
  },
];

function grow(settings: Settings, listing: Listing) {
  const sizes = settings.quick ? [10, 100, 1_000, 10_000] : [10, 100, 1_000, 10_000, 100_000];
  return along(sizes, settings, async (entries, plan) => {
    await using arena = await Arena.open(settings, entries > peerEntriesMax ? [] : peers, {
      lay: laying(listing.shape(entries)),
    });
    return await arena.interleave(
      plan,
      async (contender) => {
        await readPages(contender, listing, entries);
      },
      (contender) => readPages(contender, listing, entries),
    );
  });
}

async function readPages(
  contender: Contender,
  { field, path, middle }: Listing,
  entries: number,
): Promise<Sample> {
  await using reader = new ListingReader(contender, field);
  const timing = await timed(contender, async () => {
    for (let page = 0; page < pages; page++) {
      await reader.page(`${path}?n=${pageEntries}&last=${middle(entries)}`);
    }
  });
  return { value: (1000 * timing.seconds) / pages, ...timing, requests: pages };
}
