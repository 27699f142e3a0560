/**
 * 64 concurrent client processes push and pull images that share layers, some of them the same image with the same tag.
 * Afterwards everything is fetched and compared with its digest.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startGantry } from "../support/gantry.js";
import { digestOf, tarOf, writeImage } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";
import { Remote } from "./verify.js";

const skip = needs("crane");

/** 8 shared layers of 1 MiB, 4 per image: each image shares some with each other, like CI images. */
const sharedLayers = 8;
const layersOfImage = 4;
const layerBytes = 1024 * 1024;
const imageCount = 16;
const pushers = 32;
const pullers = 32;
/** One process needs at most a second; 64 share two cores. */
const clientMillisecondsMax = 300_000;

interface Image {
  readonly layout: string;
  readonly digest: string;
}

test("64 concurrent clients push and pull overlapping images, and every byte is correct", {
  skip,
}, async (t) => {
  await using folder = await temporaryFolder();
  await using registry = await startGantry();
  const crane = (...args: string[]) =>
    run("crane", args, { env: { GOMAXPROCS: "1" }, millisecondsMax: clientMillisecondsMax });

  const images = await makeImages(folder.path);
  const there = images.slice(0, imageCount / 2);
  const coming = images.slice(imageCount / 2);
  for (const [i, { layout }] of there.entries())
    await crane("push", layout, `${registry.host}/there/${i}:v1`);

  // Four concurrent pushes of each new image: two to one tag of one repository, two to other repositories.
  const pushes = Array.from({ length: pushers }, (_, i) => {
    const n = i % coming.length;
    const repository = `coming/${n}-${Math.max(0, Math.floor(i / coming.length) - 1)}`;
    return { repository, image: at(coming, n) };
  });
  const pulls = Array.from({ length: pullers }, (_, i) => ({
    n: i % there.length,
    to: join(folder.path, `pulled-${i}`),
  }));
  const start = performance.now();
  await Promise.all([
    ...pushes.map(({ repository, image }) =>
      crane("push", image.layout, `${registry.host}/${repository}:v1`),
    ),
    ...pulls.map(({ n, to }) => crane("pull", "--format=oci", `${registry.host}/there/${n}:v1`, to)),
  ]);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);

  let compared = 0;
  const expected = [
    ...there.map((image, i) => ({ repository: `there/${i}`, image })),
    ...pushes.filter(({ repository }, i) => pushes.findIndex((push) => push.repository === repository) === i),
  ];
  for (const { repository, image } of expected) {
    const seen = await new Remote(registry.url, repository).verify("v1");
    assert.equal(seen.digest, image.digest, repository);
    compared += seen.compared;
  }
  for (const { n, to } of pulls) {
    await verifyLayout(to, at(there, n).digest);
  }
  t.diagnostic(`${pushers + pullers} processes took ${seconds} s; ${compared} manifests and blobs compared`);
});

async function makeImages(folder: string): Promise<readonly Image[]> {
  const shared = Array.from({ length: sharedLayers }, (_, i) =>
    tarOf({ [`shared-${i}`]: randomBytes(layerBytes) }),
  );
  const images: Image[] = [];
  for (let i = 0; i < imageCount; i++) {
    const layout = join(folder, `image-${i}`);
    const own = tarOf({ own: randomBytes(layerBytes / 4) });
    const base = Array.from({ length: layersOfImage }, (_, j) => at(shared, (i + j) % sharedLayers));
    images.push({ layout, digest: await writeImage(layout, [...base, own]) });
  }
  assert.equal(new Set(images.map(({ digest }) => digest)).size, imageCount);
  return images;
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  assert.ok(item !== undefined, `nothing at ${index}`);
  return item;
}

/** Checks that every file of a pulled layout has its digest, and that the requested image is among them. */
async function verifyLayout(path: string, digest: string): Promise<void> {
  const blobs = join(path, "blobs", "sha256");
  const names = await readdir(blobs);
  assert.ok(names.includes(digest.replace("sha256:", "")), `${path} has no ${digest}`);
  for (const name of names) assert.equal(digestOf(await readFile(join(blobs, name))), `sha256:${name}`);
}
