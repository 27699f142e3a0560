/**
 * Many small new images from 32 concurrent clients with one connection each, in docker's order of requests. Images go to 8
 * repositories in turn, each with its own tag.
 */
import { strict as assert } from "node:assert";
import { Arena, timed } from "../arena.js";
import type { Contender, ContenderName } from "../contenders.js";
import { Durations, withConnections, workOff } from "../driver/clients.js";
import { Connection, type Requester } from "../driver/connection.js";
import { verify } from "../driver/drain.js";
import { type Image, logarithmicBytes, makeImage, pullImage, pushImage } from "../driver/image.js";
import { Payload } from "../driver/payload.js";
import { blobPath } from "../driver/registry.js";
import { type Aims, against, type Sample, type Scenario } from "../scenario.js";

const clients = 32;
const repositories = 8;
const layersOfImage = 3;
/** HEAD, POST, PATCH, PUT. */
const requestsOfBlob = 4;
const configBytes = 2_000;
const layerBytesMin = 10_000;
const layerBytesMax = 1_000_000;

const what =
  "images of a config and 3 new layers of 10 KB to 1 MB, 32 clients at once, 8 repositories, docker's requests";

export const pushSmallScenarios: readonly Scenario[] = [
  pushSmallScenario("push-small", what, {
    "push-limit": null,
    "docker-registry": 8,
    "distribution-3": 8,
    zot: null,
    angos: null,
  }),
  pushSmallScenario("s3-push-small", `${what}, to an S3 server`, { "distribution-3-s3": 4 }, "gantry-s3"),
  pushSmallScenario(
    "s3-far-push-small",
    `${what}, to an S3 server 20 ms away`,
    { "distribution-3-s3-far": 4 },
    "gantry-s3-far",
  ),
  pushSmallScenario("durable-small", "the same, synced before each 201, beside not", {
    "gantry-relaxed": 0.9,
  }),
];

function pushSmallScenario(name: string, what: string, aims: Aims, subject?: ContenderName): Scenario {
  const sides = against(aims);
  return {
    name,
    what,
    unit: "images/s",
    better: "more",
    ...sides,
    run: async (settings) => {
      // About 650 KB per image: a round takes the slower contender a few seconds.
      const images = settings.quick ? 192 : 384;
      const own = { ...settings, subject: subject ?? settings.subject };
      await using arena = await Arena.open(own, sides.peers);
      return await arena.interleave(settings, warmUp, (contender, round) =>
        pushImages(contender, makeImages(images, `round-${round}`)),
      );
    },
  };
}

/** It also checks that the measured push works: an image must be returned. */
async function warmUp(contender: Contender): Promise<void> {
  const images = makeImages(4 * clients, "warm-up");
  await pushImages(contender, images);
  const [image] = images;
  const [layer] = image?.blobs ?? [];
  assert(image !== undefined && layer !== undefined);
  using connection = await Connection.open(contender);
  await pullImage(contender, connection, image);
  await verify(contender, blobPath(image.repository, layer.digest), layer.digest);
}

/** The sizes are the same in every round and for every contender, the bytes are always new. */
export function makeImages(count: number, tagPrefix: string): readonly Image[] {
  return Array.from({ length: count }, (_, image) => {
    const layers = Array.from({ length: layersOfImage }, (_, layer) => new Payload(layerBytes(image, layer)));
    return makeImage(
      `bench/small-${image % repositories}`,
      `${tagPrefix}-${image}`,
      new Payload(configBytes),
      layers,
    );
  });
}

/** The golden ratio covers the scale evenly, without clusters. */
function layerBytes(image: number, layer: number): number {
  return logarithmicBytes(
    layerBytesMin,
    layerBytesMax,
    ((image * layersOfImage + layer) * 0.618_033_988_75) % 1,
  );
}

/** From the first request to the last 201, by all clients. */
export async function pushImages(contender: Contender, images: readonly Image[]): Promise<Sample> {
  const durations = new Durations();
  const timing = await withConnections(contender, clients, (connections) =>
    timed(contender, () =>
      workOff(connections, images, (connection, image) => durations.measure(pushNew(connection, image))),
    ),
  );
  const requests = images.reduce((sum, { blobs }) => sum + blobs.length * requestsOfBlob + 1, 0);
  return {
    value: images.length / timing.seconds,
    ...timing,
    requests,
    details: durations.details("image"),
  };
}

export async function pushNew(connection: Requester, image: Image): Promise<void> {
  const bytes = image.blobs.reduce((sum, { length }) => sum + length, 0);
  assert.equal(await pushImage(connection, image), bytes, "every blob is new");
}
