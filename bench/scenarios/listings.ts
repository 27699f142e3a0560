/** Lists of 100,000: all tags of one repository, all repositories of one registry, generated on the disk beforehand. */
import { strict as assert } from "node:assert";
import { Arena, timed } from "../arena.js";
import type { Contender } from "../contenders.js";
import { Durations } from "../driver/clients.js";
import { ListingReader } from "../driver/listing.js";
import { against, type Sample, type Scenario } from "../scenario.js";
import { repositoryAt, type StoreShape, tagAt } from "../stores/lay.js";
import { laying } from "../stores/store-in.js";

const entriesOf = (quick: boolean) => (quick ? 10_000 : 100_000);
const pageEntries = 1_000;
const middlePages = 20;
/** For a contender whose pages get slower the more there are: the figure then covers the pages that it has sent. */
const listSecondsMax = 60;
/** A manifest may have no more tags than a file may have links. */
const taggedImages = 10;

export interface Listing {
  readonly field: "tags" | "repositories";
  readonly path: string;
  readonly shape: (entries: number) => StoreShape;
  /** An entry in the middle, after which a page is requested. */
  readonly middle: (entries: number) => string;
}

export const tags: Listing = {
  field: "tags",
  path: `/v2/${repositoryAt(0)}/tags/list`,
  shape: (entries) => ({
    repositories: 1,
    imagesOfRepository: taggedImages,
    blobsOfImage: 1,
    tagsOfImage: entries / taggedImages,
  }),
  middle: () => tagAt(taggedImages / 2, 0),
};

export const catalog: Listing = {
  field: "repositories",
  path: "/v2/_catalog",
  shape: (entries) => ({
    repositories: entries,
    imagesOfRepository: 1,
    blobsOfImage: 1,
    tagsOfImage: 1,
    sameImages: true,
  }),
  middle: (entries) => repositoryAt(entries / 2),
};

export const listingScenarios: readonly Scenario[] = [
  listingScenario("tags-100k", "all 100,000 tags (10,000 when quick) of a repository", tags, 5),
  listingScenario("catalog-100k", "all 100,000 repositories (10,000 when quick)", catalog, 1),
];

/** Compared only with distribution 3: 2.8 does not paginate tags, and generating either's folder takes minutes. */
function listingScenario(name: string, what: string, listing: Listing, atLeast: number): Scenario {
  const sides = against({ "distribution-3": atLeast });
  return {
    name,
    what: `${what} in pages of 1,000, and single pages in the middle`,
    unit: "entries/s",
    better: "more",
    ...sides,
    run: async (settings) => {
      const entries = entriesOf(settings.quick);
      await using arena = await Arena.open(settings, sides.peers, { lay: laying(listing.shape(entries)) });
      return await arena.interleave(
        settings,
        async (contender) => {
          await using reader = new ListingReader(contender, listing.field);
          const { items } = await reader.page(`${listing.path}?n=${pageEntries}`);
          assert.equal(items.length, pageEntries);
        },
        (contender) => readList(contender, listing, entries),
      );
    },
  };
}

async function readList(
  contender: Contender,
  { field, path, middle }: Listing,
  entries: number,
): Promise<Sample> {
  await using reader = new ListingReader(contender, field);
  let [pages, read] = [0, 0];
  const timing = await timed(contender, async () => {
    const end = performance.now() + listSecondsMax * 1000;
    let next: string | undefined = `${path}?n=${pageEntries}`;
    while (next !== undefined && performance.now() < end) {
      const page = await reader.page(next);
      pages++;
      read += page.items.length;
      next = page.next;
    }
    assert(next !== undefined || read === entries, `${read} of ${entries} entries`);
  });
  const durations = new Durations();
  for (let count = 0; count < middlePages; count++)
    await durations.measure(reader.page(`${path}?n=${pageEntries}&last=${middle(entries)}`));
  const details = { entries: read, pages, ...durations.details("middlePage") };
  return { value: read / timing.seconds, ...timing, requests: pages, details };
}
