/** `uploads`: the threads and the memory that uploads have. */
import { availableParallelism } from "node:os";
import { section } from "./section.js";
import { duration, integer } from "./values.js";

export const uploads = section({
  workers: integer({ min: 1, max: 64 })
    .prefault(String(Math.min(64, Math.max(1, availableParallelism()))))
    .meta({ description: "Threads that hash and write.", defaultNote: "number of cores" }),
  memorymib: integer({ min: 8, max: 65_536 })
    .prefault("64")
    .describe(
      "Memory of all upload bodies together, in MiB. Senders wait where it is used up; as much again, and 32 MiB at least, is for bytes that have been received by then.",
    ),
  cachedmib: integer({ min: 0, max: 1_048_576 })
    .prefault("64")
    .describe(
      "The first so many MiB of an upload go through the page cache, for who pulls it next; what is behind them goes straight to the disk. With relaxed durability all goes through the page cache.",
    ),
  tasktimeout: duration
    .prefault("5m")
    .describe(
      "A worker that does not answer for so long is ended and replaced; its upload fails, others go on with the next.",
    ),
}).describe("The threads and the memory that uploads have.");
