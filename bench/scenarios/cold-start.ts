/** From the start of a server's process to its first response. */

import { Arena } from "../arena.js";
import type { Contender } from "../contenders.js";
import { Connection } from "../driver/connection.js";
import { expectStatus } from "../driver/registry.js";
import { cpuSeconds } from "../processes.js";
import { against, type Sample, type Scenario } from "../scenario.js";

const sides = against({ "docker-registry": null, "distribution-3": null, zot: null, angos: null });

export const coldStartScenarios: readonly Scenario[] = [
  {
    name: "cold-start",
    what: "from the start of the process to the first 200 to GET /v2/, on an empty store",
    unit: "ms",
    better: "less",
    ...sides,
    targets: [{ kind: "ceiling", atMost: 1_000 }],
    run: async (settings) => {
      await using arena = await Arena.open(settings, sides.peers);
      return await arena.interleave(
        settings,
        async (contender) => void (await startAnew(contender)),
        startAnew,
      );
    },
  },
];

/** Restarts the contender on its stored content. The figure is in milliseconds. */
export async function startAnew(contender: Contender): Promise<Sample> {
  const driverBefore = process.cpuUsage();
  const begin = await contender.restart();
  using connection = await Connection.open(contender);
  expectStatus(await connection.request("GET", "/v2/"), 200, "GET /v2/");
  const milliseconds = performance.now() - begin;
  const { user, system } = process.cpuUsage(driverBefore);
  return {
    value: milliseconds,
    seconds: milliseconds / 1000,
    cpuSeconds: cpuSeconds(contender.pid),
    driverCpuSeconds: (user + system) / 1_000_000,
  };
}
