/** `health`: what `/readyz` looks at, and how often. */
import { section } from "./section.js";
import { duration, flag, integer } from "./values.js";

export const health = section({
  storagedriver: section({
    enabled: flag
      .prefault("true")
      .describe(
        "Whether `/readyz` tells that the storage can be written to, has space left, and that the workers answer. `false`: it tells only that the server has started.",
      ),
    interval: duration.prefault("10s").describe("Time between two looks at them; 10ms or more."),
    threshold: integer({ min: 1, max: 1000 })
      .prefault("3")
      .describe("Looks one after the other at which something must fail for `/readyz` to tell so."),
    freemib: integer({ min: 0, max: 2 ** 40 })
      .prefault("64")
      .describe("MiB that must be left on the file system. `0`: any number."),
  }),
}).describe("What `/readyz` looks at, and how often.");
