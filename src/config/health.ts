/** `health`: what `/readyz` checks, and how often. */
import { section } from "./section.js";
import { duration, flag, integer } from "./values.js";

export const health = section({
  storagedriver: section({
    enabled: flag
      .prefault("true")
      .describe(
        "`/readyz` checks that the storage is writable and has free space, and that the workers answer. With `false`, it checks only that the server has started.",
      ),
    interval: duration.prefault("10s").describe("Time between two checks, at least 10ms."),
    threshold: integer({ min: 1, max: 1000 })
      .prefault("3")
      .describe("Consecutive failures of a check after which `/readyz` reports it."),
    freemib: integer({ min: 0, max: 2 ** 40 })
      .prefault("64")
      .describe("MiB that must be free on the file system. `0` disables this check."),
  }),
}).describe("What `/readyz` checks, and how often.");
