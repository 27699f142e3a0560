/** Images for the scripted upstream that clients can also unpack, with layers as large as a test needs. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { type Blob, blobOf, digestOf, type Image, imageOf, newName } from "../support/content.js";
import type { ScriptedUpstream } from "../support/upstream.js";
import { tarOf, uniqueText } from "./images.js";
import type { MirrorClient } from "./mirror-clients.js";

const mebibyte = 1024 * 1024;

export interface PullableImage {
  readonly image: Image;
  /** In the image's order. The first has the file `greeting`. */
  readonly layers: readonly Blob[];
  readonly greeting: string;
}

/** An image with a small layer, and with one of about this many bytes. */
export function pullableImage(bytes: number): PullableImage {
  const greeting = uniqueText();
  const tars = [tarOf({ greeting }), tarOf({ content: randomBytes(bytes) })];
  const layers = tars.map((tar) => {
    const zipped = gzipSync(tar);
    return { bytes: zipped, digest: digestOf(zipped) };
  });
  const config = blobOf(
    JSON.stringify({
      ...{ architecture: "amd64", os: "linux" },
      config: { Cmd: ["/bin/busybox"] },
      rootfs: { type: "layers", diff_ids: tars.map((tar) => digestOf(tar)) },
    }),
  );
  return { image: imageOf(config, layers), layers, greeting };
}

/** An image of an upstream. */
export interface Offered extends PullableImage {
  /** As clients name it. */
  readonly name: string;
  /** The layer of some MiB. */
  readonly large: Blob;
}

/** Adds a new image to the upstream. */
export function offerTo(upstream: ScriptedUpstream): Offered {
  const made = pullableImage(3 * mebibyte);
  const [, large] = made.layers;
  assert.ok(large !== undefined);
  const repository = newName("org/app");
  upstream.add(repository, made.image, "1");
  upstream.requests.length = 0;
  return { ...made, large, name: `docker.io/${repository}:1` };
}

/** Pulls the image, checks it and forgets it. */
export async function pulls(client: MirrorClient, offered: Offered): Promise<void> {
  const { name, greeting } = offered;
  const { digest } = offered.image;
  const pulled = await client.pull(name);
  assert.notDeepEqual(pulled, {});
  assert.deepEqual({ digest, greeting, ...pulled }, { digest, greeting });
  await client.forget(name);
}
