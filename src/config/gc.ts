/** `gc`: when garbage collection runs, and what it keeps. */
import { section } from "./section.js";
import { duration, durationOrNever } from "./values.js";

export const gc = section({
  interval: duration
    .prefault("1h")
    .describe("Time between two garbage collections, which run beside pushes and pulls. `0s` runs none."),
  lease: duration
    .prefault("6h")
    .describe(
      "Time for which garbage collection spares content that a client pushed, mounted or read (201, HEAD, GET), so that the client can push a manifest that names it. Gantry remembers 2,000,000 such blobs and manifests. If there are more, it collects nothing until the leases of the older half have ended.",
    ),
  untagged: durationOrNever
    .prefault("never")
    .describe(
      "Age at which garbage collection removes a manifest that has no tag, belongs to no index and has no subject. `never` keeps such manifests.",
    ),
}).describe("When garbage collection runs, and what it keeps.");
