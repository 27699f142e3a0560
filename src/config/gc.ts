/** `gc`: what the garbage collection leaves, and how often it runs. */
import { section } from "./section.js";
import { duration, durationOrNever } from "./values.js";

export const gc = section({
  interval: duration
    .prefault("1h")
    .describe("Time between two garbage collections, which go on beside pushes and pulls. `0s`: none."),
  lease: duration
    .prefault("6h")
    .describe(
      "What a client was told of (201, mount, HEAD, GET) stays for so long, for it to push a manifest that names it. 2,000,000 such blobs and manifests are remembered; where there are more, nothing is collected until the leases of the older half have ended.",
    ),
  untagged: durationOrNever
    .prefault("never")
    .describe(
      "Age at which a manifest goes that has no tag, no index above it and no subject. `never`: it stays.",
    ),
}).describe("What the garbage collection leaves, and how often it runs.");
