/** One large model: a blob of 10 GB, pushed in both ways and pulled. Do memory and rate stay constant? */
import { strict as assert } from "node:assert";
import { Arena, discardLargeFiles, timed } from "../arena.js";
import type { Contender } from "../contenders.js";
import { Connection } from "../driver/connection.js";
import { drain } from "../driver/drain.js";
import { Payload } from "../driver/payload.js";
import { blobPath, type PushShape, pushBlob } from "../driver/registry.js";
import { against, type Sample, type Scenario } from "../scenario.js";
import { gigabyte, mebibyte, megabyte } from "../units.js";
import { warmUpPush } from "../warm-up.js";

const sides = against({ "distribution-3": 1 });
const repository = "bench/model";

export const modelScenarios: readonly Scenario[] = [
  modelScenario("model-10g-put", "put", "POST, PUT"),
  modelScenario("model-10g-patch", "patch", "POST, chunked PATCH, PUT"),
];

/** One run each, because ten gigabytes are a repetition in themselves. */
function modelScenario(name: string, shape: PushShape, requests: string): Scenario {
  return {
    name,
    what: `one blob of 10 GB (256 MiB when quick): ${requests}; then pulled, with a separate figure`,
    unit: "MB/s",
    better: "more",
    ...sides,
    run: async (settings) => {
      const payload = new Payload(settings.quick ? 256 * mebibyte : 10 * gigabyte);
      await using arena = await Arena.open(settings, sides.peers);
      return await arena.interleave(
        { ...settings, rounds: 1 },
        (contender) => warmUpPush(contender, repository, shape),
        async (contender) => {
          const sample = await pushAndPull(contender, payload, shape);
          await discardLargeFiles(contender.dataFolder);
          return sample;
        },
      );
    },
  };
}

async function pushAndPull(contender: Contender, payload: Payload, shape: PushShape): Promise<Sample> {
  using connection = await Connection.open(contender);
  const pushed = await timed(contender, () => pushBlob(connection, repository, payload, shape));
  const pulled = await timed(contender, async () => {
    const length = await drain(contender, blobPath(repository, payload.digest));
    assert.equal(length, payload.length, "the blob is returned completely");
  });
  const rate = ({ seconds }: { readonly seconds: number }) => payload.length / megabyte / seconds;
  const details = { pullMegabytesPerSecond: rate(pulled), pullCpuSeconds: pulled.cpuSeconds };
  return { value: rate(pushed), ...pushed, bytes: payload.length, details };
}
