/**
 * A CI day: many small images, all new, from 32 clients at once, each client on one connection, in docker's
 * order of requests. Images go in turn to 8 repositories, each under a tag of its own.
 */
import { strict as assert } from "node:assert";
import { Arena, timed } from "../arena.js";
import type { Contender, ContenderName } from "../contenders.js";
import { Connection } from "../driver/connection.js";
import { verify } from "../driver/drain.js";
import { Payload } from "../driver/payload.js";
import {
  blobPath,
  expectStatus,
  hasBlob,
  type Manifest,
  makeManifest,
  manifestMediaType,
  manifestPath,
  pushBlob,
  putManifest,
} from "../driver/registry.js";
import type { Sample, Scenario } from "../scenario.js";
import { median } from "../statistics.js";

const clients = 32;
const repositories = 8;
const layersOfImage = 3;
const configBytes = 2_000;
const layerBytesMin = 10_000;
const layerBytesMax = 1_000_000;

interface Image {
  readonly repository: string;
  readonly tag: string;
  readonly blobs: readonly Payload[];
  readonly manifest: Manifest;
}

const what =
  "images of a config and 3 new layers of 10 KB to 1 MB, 32 clients at once, 8 repositories, docker's requests";

export const pushSmallScenarios: readonly Scenario[] = [
  pushSmallScenario("push-small", what, "docker-registry", 5),
  pushSmallScenario("durable-small", "the same, synced before each 201, beside not", "gantry-relaxed", 0.9),
];

function pushSmallScenario(name: string, what: string, peer: ContenderName, atLeast: number): Scenario {
  return {
    name,
    what,
    unit: "images/s",
    target: { kind: "ratio", peer, atLeast },
    peers: [peer],
    run: async (settings) => {
      // Some 650 KB an image: a round is a few seconds of the slower contender.
      const images = settings.quick ? 192 : 384;
      await using arena = await Arena.open(settings, [peer]);
      return await arena.interleave(settings.rounds, warmUp, (contender, round) =>
        pushImages(contender, makeImages(images, `round-${round}`)),
      );
    },
  };
}

async function warmUp(contender: Contender): Promise<void> {
  const images = makeImages(4 * clients, "warm-up");
  await pushImages(contender, images);
  const [image] = images;
  if (image !== undefined) {
    using connection = await Connection.open(contender);
    const headers = { Accept: manifestMediaType };
    const path = manifestPath(image.repository, image.tag);
    const got = expectStatus(await connection.request("GET", path, { headers }), 200, "GET manifest");
    assert(got.body.equals(image.manifest.bytes), "the manifest comes back as it was pushed");
    const [layer] = image.blobs;
    assert(layer !== undefined);
    await verify(contender, blobPath(image.repository, layer.digest), layer.digest);
  }
}

/** The sizes are the same in every round and for every contender, the bytes never. */
function makeImages(count: number, tagPrefix: string): readonly Image[] {
  return Array.from({ length: count }, (_, image) => {
    const config = new Payload(configBytes);
    const layers = Array.from({ length: layersOfImage }, (_, layer) => new Payload(layerBytes(image, layer)));
    return {
      repository: `bench/small-${image % repositories}`,
      tag: `${tagPrefix}-${image}`,
      blobs: [...layers, config],
      manifest: makeManifest(config, layers),
    };
  });
}

/** Spread evenly on a logarithmic scale; the golden ratio visits it without clusters. */
function layerBytes(image: number, layer: number): number {
  const position = ((image * layersOfImage + layer) * 0.618_033_988_75) % 1;
  return Math.round(layerBytesMin * (layerBytesMax / layerBytesMin) ** position);
}

async function pushImages(contender: Contender, images: readonly Image[]): Promise<Sample> {
  const connections = await Promise.all(Array.from({ length: clients }, () => Connection.open(contender)));
  const queue = images.values();
  const milliseconds: number[] = [];
  try {
    const timing = await timed(contender, () =>
      Promise.all(
        connections.map(async (connection) => {
          // All clients draw from one iterator: each image is pushed once.
          for (const image of queue) {
            const begin = performance.now();
            await pushImage(connection, image);
            milliseconds.push(performance.now() - begin);
          }
        }),
      ),
    );
    const details = { medianImageMilliseconds: Math.round(median(milliseconds)) };
    return { value: images.length / timing.seconds, ...timing, details };
  } finally {
    for (const connection of connections) {
      connection[Symbol.dispose]();
    }
  }
}

async function pushImage(connection: Connection, image: Image): Promise<void> {
  for (const blob of image.blobs) {
    if (await hasBlob(connection, image.repository, blob.digest)) {
      throw new Error(`${blob.digest} should be new`);
    }
    await pushBlob(connection, image.repository, blob, "patch");
  }
  await putManifest(connection, image.repository, image.tag, image.manifest);
}
