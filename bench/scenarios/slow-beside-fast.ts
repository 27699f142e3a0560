/** 200 slow clients beside fast ones: which share of their rate do the fast ones keep? */
import { Arena, timed } from "../arena.js";
import type { Contender } from "../contenders.js";
import { Durations, withConnections, workOff } from "../driver/clients.js";
import { Connection } from "../driver/connection.js";
import { drain } from "../driver/drain.js";
import { hotImage } from "../driver/hot-image.js";
import { logarithmicBytes, makeImage, pushImage, storeImage } from "../driver/image.js";
import { Payload } from "../driver/payload.js";
import { blobPath, manifestMediaType, manifestPath, pushBlob } from "../driver/registry.js";
import { SlowReaders } from "../driver/slow-readers.js";
import { SlowSenders } from "../driver/slow-senders.js";
import { measureLoad, toolIsThere } from "../measure-load.js";
import { against, type Sample, type Scenario } from "../scenario.js";
import { mebibyte, megabyte } from "../units.js";

const sides = against({ "docker-registry": null, "distribution-3": null, zot: null });
const repository = "bench/slow";
const slowSenders = 100;
const slowReaders = 100;
/** More than a slow reader reads in the longest run. */
const slowBlobBytes = 256 * mebibyte;

/** The fast clients' work, once. Its value is their rate. */
type Work = (contender: Contender, quick: boolean, name: string) => Promise<Sample>;

export const slowBesideFastScenarios: readonly Scenario[] = [
  slowScenario("slow-beside-push", "8 fast clients push small images", pushSmallImages),
  slowScenario("slow-beside-pull", "8 fast clients pull 64 layers of 4 MiB in turns", pullLayers),
  slowScenario("slow-beside-get", "64 fast clients GET one manifest, driven by wrk", getManifest),
];

function slowScenario(name: string, what: string, work: Work): Scenario {
  return {
    name,
    what: `${what}, alone and beside 100 uploads at 50 KB/s and 100 readers at 640 KB/s: the remaining share of their rate`,
    unit: "% left",
    better: "more",
    ...sides,
    run: async (settings) => {
      if (work === getManifest && !(await toolIsThere("wrk"))) return [];
      await using arena = await Arena.open(settings, sides.peers);
      const slowBlob = new Payload(slowBlobBytes);
      return await arena.interleave(
        settings,
        async (contender) => {
          using connection = await Connection.open(contender);
          for (const blob of [slowBlob, ...fastBlobs]) await pushBlob(connection, repository, blob, "put");
          await storeImage(connection, hot);
          await work(contender, true, "warm-up");
        },
        async (contender, round) => {
          const alone = await work(contender, settings.quick, `alone-${round}`);
          const path = blobPath(repository, slowBlob.digest);
          using readers = new SlowReaders({ endpoint: contender, path, readers: slowReaders });
          using senders = await SlowSenders.start(contender, repository, slowSenders);
          const beside = await work(contender, settings.quick, `beside-${round}`);
          readers.assertServed();
          senders.assertServed();
          return { ...beside, value: (100 * beside.value) / alone.value, details: detailsOf(alone, beside) };
        },
      );
    },
  };
}

function detailsOf(alone: Sample, beside: Sample): Record<string, number> {
  const named = (of: string, { value, details = {} }: Sample) =>
    Object.entries({ rate: value, ...details }).map(
      ([name, figure]) => [`${of}${name.charAt(0).toUpperCase()}${name.slice(1)}`, figure] as const,
    );
  return Object.fromEntries([...named("alone", alone), ...named("beside", beside)]);
}

const hot = hotImage(repository);

function getManifest(contender: Contender, quick: boolean): Promise<Sample> {
  return measureLoad(contender, "wrk", {
    path: manifestPath(repository, hot.tag),
    method: "GET",
    accept: manifestMediaType,
    connections: 64,
    seconds: quick ? 2 : 4,
    reconnect: false,
  });
}

/** More than a registry's memory for responses. */
const fastBlobs = Array.from({ length: 64 }, () => new Payload(4 * mebibyte));

async function pullLayers(contender: Contender, quick: boolean): Promise<Sample> {
  const durations = new Durations();
  const pulls = Array.from({ length: quick ? 2 : 8 }, () => fastBlobs).flat();
  const timing = await withConnections(contender, 8, (connections) =>
    timed(contender, () =>
      workOff(connections, pulls, (_, blob) =>
        durations.measure(drain(contender, blobPath(repository, blob.digest))),
      ),
    ),
  );
  const bytes = pulls.reduce((sum, { length }) => sum + length, 0);
  return { value: bytes / megabyte / timing.seconds, ...timing, bytes, details: durations.details("pull") };
}

/** Eight clients, with docker's requests. */
export async function pushSmallImages(contender: Contender, quick: boolean, name: string): Promise<Sample> {
  const images = Array.from({ length: quick ? 48 : 192 }, (_, image) => {
    const layers = [0.2, 0.5, 0.8].map((place) => new Payload(logarithmicBytes(10_000, 1_000_000, place)));
    return makeImage(repository, `${name}-${image}`, new Payload(2_000), layers);
  });
  const durations = new Durations();
  const timing = await withConnections(contender, 8, (connections) =>
    timed(contender, () =>
      workOff(connections, images, (connection, image) => durations.measure(pushImage(connection, image))),
    ),
  );
  return { value: images.length / timing.seconds, ...timing, details: durations.details("image") };
}
