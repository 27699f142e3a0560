/** A deployment: an image was just pushed, and every node pulls it at once. When does the last one have it? */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Arena, discardLargeFiles, timed } from "../arena.js";
import type { Contender } from "../contenders.js";
import { Durations, withConnections } from "../driver/clients.js";
import { Connection } from "../driver/connection.js";
import { type Image, makeImage, pullImage, pushImage } from "../driver/image.js";
import { Payload } from "../driver/payload.js";
import { blobPath, manifestPath } from "../driver/registry.js";
import { against, type Sample, type Scenario } from "../scenario.js";
import { megabyte } from "../units.js";

const sides = against({ nginx: 0.5, "docker-registry": 1.5, "distribution-3": 1.5, zot: null });
const repository = "bench/storm";
const configBytes = 4_000;
/** 20 MB in total, like an application on a small base. */
const layerBytes = [8, 5.5, 3.5, 2, 1].map((megabytes) => megabytes * megabyte);

export const deployStormScenarios: readonly Scenario[] = [
  {
    name: "deploy-storm",
    what: "500 clients (100 when quick) pull a new image of 5 layers, 20 MB in total, at once right after its push",
    unit: "clients/s",
    better: "more",
    ...sides,
    run: async (settings) => {
      const clients = settings.quick ? 100 : 500;
      await using arena = await Arena.open(settings, sides.peers);
      return await arena.interleave(
        settings,
        async (contender) => {
          await storm(contender, await bringImage(contender, "warm-up"), 10);
          await discardLargeFiles(contender.dataFolder);
        },
        async (contender, round) => {
          const sample = await storm(contender, await bringImage(contender, `round-${round}`), clients);
          await discardLargeFiles(contender.dataFolder);
          return sample;
        },
      );
    },
  },
];

/** A new image, pushed like docker does; for nginx, files under the paths of a registry's API. */
async function bringImage(contender: Contender, tag: string): Promise<Image> {
  const layers = layerBytes.map((bytes) => new Payload(bytes));
  const image = makeImage(repository, tag, new Payload(configBytes), layers);
  if (contender.name === "nginx") {
    await bringFile(contender, manifestPath(repository, tag), [image.manifest.bytes]);
    for (const blob of image.blobs)
      await bringFile(contender, blobPath(repository, blob.digest), [...blob.bytes()]);
  } else {
    using connection = await Connection.open(contender);
    await pushImage(connection, image);
  }
  return image;
}

async function bringFile(contender: Contender, path: string, content: readonly Buffer[]): Promise<void> {
  const file = join(contender.dataFolder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
}

async function storm(contender: Contender, image: Image, clients: number): Promise<Sample> {
  const durations = new Durations();
  let bytes = 0;
  const timing = await withConnections(contender, clients, (connections) =>
    timed(contender, () =>
      Promise.all(
        connections.map(async (connection) => {
          const received = await durations.measure(pullImage(contender, connection, image));
          bytes += received;
        }),
      ),
    ),
  );
  return { value: clients / timing.seconds, ...timing, bytes, details: durations.details("client") };
}
