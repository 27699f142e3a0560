/** Small new images, pushed in docker's order of requests by clients with one connection each. */
import { strict as assert } from "node:assert";
import { timed } from "./arena.js";
import type { Contender } from "./contenders.js";
import { Durations, withConnections, workOff } from "./driver/clients.js";
import type { Requester } from "./driver/connection.js";
import { type Image, logarithmicBytes, makeImage, pushImage } from "./driver/image.js";
import { Payload } from "./driver/payload.js";
import type { Sample, Settings } from "./scenario.js";

export const clients = 32;
const repositories = 8;
const layersOfImage = 3;
/** HEAD, POST, PATCH, PUT. */
const requestsOfBlob = 4;
const configBytes = 2_000;
const layerBytesMin = 10_000;
const layerBytesMax = 1_000_000;

/** A server that compiles its code while it runs has compiled most of it then. */
const warmUpImages = 1_536;
/** So that a slow server does not take minutes; it pushes fewer. */
const warmUpMilliseconds = 15_000;
const warmUpImagesAtOnce = 128;
/** To warm up the program, not the disk. */
const warmUpLayerBytesMax = 100_000;

/**
 * Images with their own tags, which go to 8 repositories in turn. The sizes are the same for each contender and each call, the
 * bytes are always new.
 */
export function makeImages(
  count: number,
  tagPrefix: string,
  layerBytesAtMost = layerBytesMax,
): readonly Image[] {
  return Array.from({ length: count }, (_, image) => {
    const layers = Array.from({ length: layersOfImage }, (_, layer) => {
      // The golden ratio covers the scale evenly, without clusters.
      const position = ((image * layersOfImage + layer) * 0.618_033_988_75) % 1;
      return new Payload(logarithmicBytes(layerBytesMin, layerBytesAtMost, position));
    });
    return makeImage(
      `bench/small-${image % repositories}`,
      `${tagPrefix}-${image}`,
      new Payload(configBytes),
      layers,
    );
  });
}

/** From the first request to the last 201, by all clients. */
export async function pushImages(
  contender: Contender,
  images: readonly Image[],
  atOnce = clients,
): Promise<Sample> {
  const durations = new Durations();
  const timing = await withConnections(contender, atOnce, (connections) =>
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

/**
 * Pushes images until the code of the server's pushes is compiled: measured without it, a server on Node is one that has just
 * started. Contenders without such code lose nothing by it.
 */
export async function warmUpPushes(contender: Contender, { quick }: Pick<Settings, "quick">): Promise<void> {
  const end = performance.now() + (quick ? warmUpMilliseconds / 5 : warmUpMilliseconds);
  for (let pushed = 0; pushed < warmUpImages && performance.now() < end; pushed += warmUpImagesAtOnce) {
    const images = makeImages(warmUpImagesAtOnce, `warm-up-${pushed}`, warmUpLayerBytesMax);
    await pushImages(contender, images);
  }
}
