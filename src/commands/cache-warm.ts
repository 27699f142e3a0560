/** `gantry cache warm`: fetches images of upstream registries before clients ask for them. */
import { z } from "zod";
import { platform } from "../config/platform.js";
import { describeError } from "../lib/describe-error.js";
import { count, formatBytes } from "../lib/format.js";
import type { Warmed } from "../upstream/warm.js";
import { type Command, UsageError } from "./command.js";
import { parseOptions } from "./options.js";

const imagesMax = 1000;

const options = z.object({
  images: z.array(z.string().min(1).max(1024)).min(1).max(imagesMax),
  platform: z.array(platform),
});

type Outcome = { readonly image: string } & (Warmed | { readonly failure: string });

export const cacheWarm: Command = {
  name: "cache warm",
  summary: "fetch images of other registries before they are pulled",
  help: `Fetches images with all their layers into the cache of the running server. An image is named as clients name it, with its
registry or without one for the default upstream. Of an image for several platforms, all are fetched that the settings
allow, or those of --platform. Exits with 1 if an image could not be fetched completely; the others are fetched anyway.
`,
  flags: {
    platform: {
      type: "string",
      value: "PLATFORM",
      multiple: true,
      description: "only this platform, such as linux/amd64; may be given several times",
    },
  },
  parameters: [{ name: "IMAGE", description: "such as alpine:3.20 or ghcr.io/org/app:v1", variadic: true }],
  examples: [
    { command: "gantry cache warm docker.io/library/alpine:3.20", what: "one image, for all platforms" },
    {
      command: "gantry cache warm --platform linux/amd64 node:24 ghcr.io/org/app:v1",
      what: "two images, for one platform",
    },
  ],
  optionsOf: ({ platform = [] }, images) => ({ images, platform }),
  run: async ({ upstreams: cache, onProgress, signal }, given) => {
    const { images, platform: platforms } = parseOptions(options, given);
    if (cache === undefined)
      throw new UsageError(
        "images are fetched by a running server with upstream registries (setting proxy); start it first",
      );
    const [{ warmImage }, { parseImage }] = await Promise.all([
      import("../upstream/warm.js"),
      import("../upstream/image-reference.js"),
    ]);
    const outcomes: Outcome[] = [];
    for (const image of images) {
      if (signal.aborted) break;
      const onBytes = (done: number, total: number) =>
        onProgress({ what: image, done, total, unit: "bytes" });
      try {
        const named = parseImage(image, cache.names);
        outcomes.push({
          image,
          ...(await warmImage(cache, named, { platforms, signal, onProgress: onBytes })),
        });
      } catch (error) {
        outcomes.push({ image, failure: describeError(error) });
      }
    }
    const fine = outcomes.length === images.length && outcomes.every((outcome) => !("failure" in outcome));
    return { report: { images: outcomes }, text: outcomes.map(lineOf).join("\n"), fine };
  },
};

function lineOf(outcome: Outcome): string {
  if ("failure" in outcome) return `${outcome.image}: failed: ${outcome.failure}`;
  const { image, manifests, blobs, bytes, fetchedBytes } = outcome;
  return (
    `${image}: ${count(manifests, "manifest")} and ${count(blobs, "blob")} of ${formatBytes(bytes)} are cached, ` +
    `${formatBytes(fetchedBytes)} fetched now`
  );
}
