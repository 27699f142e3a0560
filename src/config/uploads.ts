/** `uploads`: threads and memory for uploads. */
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
      "Memory for all upload bodies together, in MiB. Senders wait when it is used up. The same amount again, at least 32 MiB, is for bytes that were already received by then.",
    ),
  cachedmib: integer({ min: 0, max: 1_048_576 })
    .prefault("64")
    .describe(
      "The first MiB of an upload that go through the page cache, so that the next pull is fast. The rest goes straight to the disk; Gantry reads it into the page cache later, while the disk is idle and memory is free. With relaxed durability, everything goes through the page cache.",
    ),
  tasktimeout: duration
    .prefault("5m")
    .describe(
      "Gantry ends and replaces a worker that does not answer for this long. Its current upload fails; the other uploads continue on the new worker.",
    ),
}).describe("Threads and memory for uploads.");
