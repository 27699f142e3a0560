/** Pulls of images that lie in another registry, behind a line of 100 MB/s. */
import { get } from "node:http";
import { Arena, discardLargeFiles, timed } from "../arena.js";
import type { Contender } from "../contenders.js";
import { Durations, withConnections, workOff } from "../driver/clients.js";
import { Connection } from "../driver/connection.js";
import { type Image, makeImage, pullImage, storeImage } from "../driver/image.js";
import { Payload } from "../driver/payload.js";
import { blobPath } from "../driver/registry.js";
import { Upstream } from "../driver/upstream.js";
import { against, type Sample, type Scenario } from "../scenario.js";
import { kibibyte, megabyte } from "../units.js";

const subject = "gantry-mirror";
const againstDistribution = against({ "distribution-3-mirror": null });
const againstPushed = against({ gantry: 0.95 });

/** 20 MB in total, like an application on a small base. */
const layerBytes = [8, 5.5, 3.5, 2, 1].map((megabytes) => megabytes * megabyte);
const configBytes = 4_000;

const stormClients = 500;
const jobs = 131;
const jobImages = 12;
/** The upstream answers this many requests, then 429. */
const requestsAllowed = 100;
const warmPulls = 10_000;
const warmClients = 32;

export const mirrorScenarios: readonly Scenario[] = [
  {
    name: "mirror-stampede",
    what: `${stormClients} clients (100 when quick) pull a new image of 5 layers, 20 MB in total, through a cache from a registry behind 100 MB/s: seconds until the last one has it`,
    unit: "s",
    better: "less",
    ...againstDistribution,
    run: async (settings) => {
      const clients = settings.quick ? 100 : stormClients;
      await using arena = await Arena.open({ ...settings, subject }, againstDistribution.peers);
      return await arena.interleave(
        settings,
        (contender) => warmUp(contender, 4),
        async (contender) => {
          const sample = await stampede(contender, clients);
          await discardLargeFiles(contender.dataFolder);
          return sample;
        },
      );
    },
  },
  {
    name: "mirror-429-day",
    what: `${jobs} jobs pull ${jobImages} images of 6 blobs at once through a cold cache, from a registry that answers 429 after ${requestsAllowed} requests: failed jobs`,
    unit: "failed jobs",
    better: "less",
    ...againstDistribution,
    run: async (settings) => {
      await using arena = await Arena.open({ ...settings, subject }, againstDistribution.peers);
      return await arena.interleave(settings, (contender) => warmUp(contender, 1), limitedDay);
    },
  },
  {
    name: "mirror-warm",
    what: `${warmClients} clients pull an image of 6 small blobs again and again: from the cache, and as a pushed image`,
    unit: "images/s",
    better: "more",
    ...againstPushed,
    run: async (settings) => {
      await using arena = await Arena.open({ ...settings, subject }, againstPushed.peers);
      const image = smallImage("warm");
      (await Upstream.shared()).add(image);
      const pulls = settings.quick ? warmPulls / 10 : warmPulls;
      return await arena.interleave(
        settings,
        async (contender) => {
          using connection = await Connection.open(contender);
          if (contender.name !== subject) await storeImage(connection, image);
          await pullImage(contender, connection, image);
        },
        (contender) => pullWarm(contender, image, pulls),
      );
    },
  },
];

function warmUp(contender: Contender, clients: number): Promise<void> {
  return withImages(contender, 1, async (images) => {
    await pullAll(contender, images, clients);
  });
}

let count = 0;

function image(sizes: readonly number[], of: string): Image {
  const layers = sizes.map((bytes) => new Payload(bytes));
  return makeImage(`bench/${of}-${count++}`, "latest", new Payload(configBytes), layers);
}

function smallImage(of: string): Image {
  return image(
    Array.from({ length: 5 }, () => 100 * kibibyte),
    of,
  );
}

/** Serves new images at the upstream while `use` runs. */
async function withImages<T>(
  { name }: Contender,
  images: number | readonly Image[],
  use: (images: readonly Image[], upstream: Upstream) => Promise<T>,
): Promise<T> {
  const made =
    typeof images === "number" ? Array.from({ length: images }, () => image(layerBytes, name)) : images;
  const upstream = await Upstream.shared();
  for (const one of made) upstream.add(one);
  try {
    return await use(made, upstream);
  } finally {
    for (const one of made) upstream.remove(one);
  }
}

/** Each of `clients` pulls all images. Resolves with the bytes and the times. */
async function pullAll(contender: Contender, images: readonly Image[], clients: number) {
  const durations = new Durations();
  let bytes = 0;
  const timing = await withConnections(contender, clients, (connections) =>
    timed(contender, () =>
      Promise.all(
        connections.map(async (connection) => {
          for (const one of images) {
            const received = await durations.measure(pullImage(contender, connection, one));
            bytes += received;
          }
        }),
      ),
    ),
  );
  return { timing, bytes, durations };
}

/** The last client has to wait for the line, and for this machine to send the image to all: the warm time. */
function stampede(contender: Contender, clients: number): Promise<Sample> {
  return withImages(contender, 3, async ([forOne, forAll, forFirst], upstream) => {
    if (forOne === undefined || forAll === undefined || forFirst === undefined) throw new Error("no images");
    const one = await pullAll(contender, [forOne], 1);
    const all = await pullAll(contender, [forAll], clients);
    const gets = upstream.getsOf(forAll);
    const warm = await pullAll(contender, [forAll], clients);
    const { seconds } = all.timing;
    return {
      value: seconds,
      ...all.timing,
      bytes: all.bytes,
      details: {
        ...all.durations.details("client"),
        singleSeconds: one.timing.seconds,
        warmSeconds: warm.timing.seconds,
        timesSingle: (seconds - warm.timing.seconds) / one.timing.seconds,
        upstreamGetsPerObject: gets,
        firstByteMilliseconds: await firstByte(contender, forFirst, upstream),
      },
    };
  });
}

/** Time from the upstream's first byte of a cold layer to the client's. */
async function firstByte(
  { port }: Contender,
  { repository, blobs }: Image,
  upstream: Upstream,
): Promise<number> {
  const path = blobPath(repository, blobs[0]?.digest ?? "");
  const arrivedAt = await new Promise<number>((resolve, reject) => {
    get({ port, host: "127.0.0.1", path, agent: false }, (response) => {
      let at: number | undefined;
      response.on("data", () => {
        at ??= performance.now();
      });
      response.once("end", () => resolve(at ?? Number.NaN)).once("error", reject);
    }).once("error", reject);
  });
  return arrivedAt - (upstream.firstByteAt(path) ?? Number.NaN);
}

function limitedDay(contender: Contender): Promise<Sample> {
  const images = Array.from({ length: jobImages }, () => smallImage(contender.name));
  return withImages(contender, images, async (_, upstream) => {
    let failed = 0;
    upstream.requestsLeft = requestsAllowed;
    try {
      const timing = await withConnections(contender, jobs, (connections) =>
        timed(contender, () =>
          Promise.all(
            connections.map(async (connection, job) => {
              const wanted = images[job % jobImages];
              if (wanted === undefined) throw new Error("no images");
              await pullImage(contender, connection, wanted).catch(() => failed++);
            }),
          ),
        ),
      );
      const used = requestsAllowed - upstream.requestsLeft;
      return { value: failed, ...timing, requests: jobs * 7, details: { upstreamRequests: used } };
    } finally {
      upstream.requestsLeft = Number.POSITIVE_INFINITY;
    }
  });
}

async function pullWarm(contender: Contender, wanted: Image, pulls: number): Promise<Sample> {
  const upstream = await Upstream.shared();
  const before = upstream.getsOf(wanted);
  let bytes = 0;
  const timing = await withConnections(contender, warmClients, (connections) =>
    timed(contender, () =>
      workOff(connections, Array(pulls).keys(), async (connection) => {
        bytes += await pullImage(contender, connection, wanted);
      }),
    ),
  );
  const asked = upstream.getsOf(wanted) - before;
  return { value: pulls / timing.seconds, ...timing, bytes, details: { upstreamGets: asked } };
}
