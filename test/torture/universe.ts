// Everything that a torture may push: a closed set of repositories, blobs, manifests and tags, derived from the seed alone.
// So the store's content can be compared byte for byte.

import {
  type Blob,
  blobOf,
  type ContentDescriptor,
  describe,
  descriptorOf,
  digestOf,
  type Image,
  manifestOf,
  types,
} from "../support/content.js";
import { noise, Random } from "./random.js";

/** Nested names, and one with a component that the layout must escape. */
const names = ["torture/a", "torture/a/b", "torture/c", "x/tags/y", "d"] as const;
const tags = ["latest", "v1", "v2", "main"] as const;
const sizes = { config: 5, tiny: 20, small: 14, medium: 6, large: 3 } as const;
const images = 20;
const indexes = 5;
const referrers = 8;

export interface PushedManifest extends Image {
  /** Manifests that must be in the repository before. */
  readonly children: readonly PushedManifest[];
  readonly subject: string | undefined;
}

export interface Universe {
  readonly names: readonly string[];
  readonly tags: readonly string[];
  readonly blobs: readonly Blob[];
  readonly manifests: readonly PushedManifest[];
}

/** Bytes of a blob of each size: tiny ones, like most in CI, and some with several slabs. */
const usualBytes: Readonly<Record<keyof typeof sizes, readonly [number, number]>> = {
  config: [200, 2_000],
  tiny: [2, 8_000],
  small: [8_000, 120_000],
  medium: [120_000, 1_100_000],
  large: [1_100_000, 4_000_000],
};

/** `largeBytes` replaces the least and the greatest size of the large blobs. */
export function makeUniverse(seed: string, largeBytes = usualBytes.large): Universe {
  const bytesOf = { ...usualBytes, large: largeBytes };
  const random = new Random(`${seed}/universe`);
  const made = Object.entries(sizes).map(([size, count]) =>
    Array.from({ length: count }, (_, index) => {
      const [low, high] = bytesOf[size as keyof typeof sizes];
      const bytes = noise(`${seed}/${size}/${index}`, random.between(low, high));
      if (size === "config") return blobOf(JSON.stringify({ os: "linux", id: bytes.toString("base64") }));
      return { bytes, digest: digestOf(bytes, random.chance(0.1) ? "sha512" : "sha256") };
    }),
  );
  const [configs = [], ...layers] = made;
  const manifests: PushedManifest[] = [];
  const add = (
    fields: Readonly<Record<string, unknown>>,
    blobs: Blob[],
    rest: Partial<PushedManifest> = {},
  ) =>
    manifests.push({
      ...manifestOf(
        { schemaVersion: 2, ...fields, annotations: { id: `${seed}/${manifests.length}` } },
        blobs,
      ),
      children: [],
      subject: undefined,
      ...rest,
    });
  const addImage = (subject?: ContentDescriptor) => {
    const config = random.pick(configs);
    const content = Array.from({ length: random.between(1, 4) }, () => random.pick(layers.flat()));
    add(
      {
        mediaType: types.manifest,
        config: descriptorOf(config, types.config),
        layers: content.map((layer) => descriptorOf(layer, types.layer)),
        ...(subject && { subject }),
      },
      [config, ...content],
      { subject: subject?.digest },
    );
  };
  for (let count = 0; count < images; count++) addImage();
  const children = [...manifests];
  for (let count = 0; count < indexes; count++) {
    const own = [random.pick(children), random.pick(children)];
    add({ mediaType: types.index, manifests: own.map(describe) }, [], { children: own });
  }
  for (let count = 0; count < referrers; count++) addImage(describe(random.pick(children)));
  return { names, tags, blobs: made.flat(), manifests };
}
