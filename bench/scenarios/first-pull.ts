/** The first pull of a large layer: at once after its push, and some seconds later. The push has separate figures. */
import { strict as assert } from "node:assert";
import { setTimeout as pause } from "node:timers/promises";
import { Arena, discardLargeFiles, timed } from "../arena.js";
import type { Contender } from "../contenders.js";
import { Connection } from "../driver/connection.js";
import { drain } from "../driver/drain.js";
import { Payload } from "../driver/payload.js";
import { blobPath, pushBlob } from "../driver/registry.js";
import { against, type Sample, type Scenario } from "../scenario.js";
import { gibibyte, mebibyte, megabyte } from "../units.js";
import { warmUpPush } from "../warm-up.js";

const sides = against({ "distribution-3": 0.9, zot: null });
const repository = "bench/first-pull";

export const firstPullScenarios: readonly Scenario[] = [
  firstPullScenario("first-pull-1g", 0, "at once after its push"),
  firstPullScenario("first-pull-1g-later", 5, "5 seconds after its push"),
];

function firstPullScenario(name: string, seconds: number, when: string): Scenario {
  return {
    name,
    what: `one blob of 1 GiB (256 MiB when quick), pulled for the first time ${when}, which has separate figures`,
    unit: "MB/s",
    better: "more",
    ...sides,
    run: async (settings) => {
      await using arena = await Arena.open(settings, sides.peers);
      return await arena.interleave(
        settings,
        (contender) => warmUpPush(contender, repository, "put"),
        async (contender) => {
          // New in each round.
          const payload = new Payload(settings.quick ? 256 * mebibyte : gibibyte);
          const sample = await pushThenPull(contender, payload, seconds);
          await discardLargeFiles(contender.dataFolder);
          return sample;
        },
      );
    },
  };
}

async function pushThenPull(contender: Contender, payload: Payload, seconds: number): Promise<Sample> {
  using connection = await Connection.open(contender);
  const pushed = await timed(contender, () => pushBlob(connection, repository, payload, "put"));
  await pause(seconds * 1000);
  const pull = () =>
    timed(contender, async () => {
      const length = await drain(contender, blobPath(repository, payload.digest));
      assert.equal(length, payload.length, "the blob is returned completely");
    });
  const first = await pull();
  const second = await pull();
  const rate = (timing: { readonly seconds: number }) => payload.length / megabyte / timing.seconds;
  const details = {
    pushMegabytesPerSecond: rate(pushed),
    pushCpuSeconds: pushed.cpuSeconds,
    secondPullMegabytesPerSecond: rate(second),
  };
  return { value: rate(first), ...first, bytes: payload.length, details };
}
