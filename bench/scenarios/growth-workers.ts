/** The benefit of another worker thread: eight concurrent blobs, with 1 to 8 threads that hash and write. */
import { along } from "../along.js";
import { Arena, discardLargeFiles } from "../arena.js";
import type { Growth } from "../scenario.js";
import { mebibyte } from "../units.js";
import { type Push, pushAtOnce } from "./push-large.js";

const eightAtOnce: Push = { blobs: 8, blobBytes: 128 * mebibyte, shape: "put" };
const smaller: Push = { ...eightAtOnce, blobBytes: 16 * mebibyte };

export const growthWorkers: Growth = {
  name: "growth-workers",
  what: "8 blobs of 128 MiB at once (16 MiB when quick), POST and PUT, with 1 to 8 worker threads",
  along: "worker threads",
  unit: "MB/s",
  better: "more",
  why: "On two cores, one worker, which hashes while the kernel writes, and the main thread, which receives, use all CPU time: more workers change only the memory.",
  peers: [],
  run: (settings) =>
    along([1, 2, 4, 8], settings, async (workers, plan) => {
      const variables = { REGISTRY_UPLOADS_WORKERS: String(workers) };
      await using arena = await Arena.open(settings, [], { settings: variables });
      return await arena.interleave(
        plan,
        async (contender) => {
          await pushAtOnce(contender, smaller);
        },
        async (contender) => {
          const sample = await pushAtOnce(contender, settings.quick ? smaller : eightAtOnce);
          await discardLargeFiles(contender.dataFolder);
          return sample;
        },
      );
    }),
};
