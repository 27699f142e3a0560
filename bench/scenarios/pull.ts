/** A 1 GiB layer from the page cache: one reader, then eight at once, compared with sendfile. */
import { strict as assert } from "node:assert";
import { Arena, timed } from "../arena.js";
import { drain } from "../driver/drain.js";
import type { Endpoint } from "../driver/endpoint.js";
import { Payload } from "../driver/payload.js";
import { drainRecords } from "../driver/record-drain.js";
import { placeBlob, placeOf } from "../placed-blob.js";
import { against, type Scenario } from "../scenario.js";
import { gibibyte, mebibyte, megabyte } from "../units.js";

const repository = "bench/pull";
const plain = against({ nginx: 1, "docker-registry": 1, "distribution-3": 1, zot: null, angos: null });
const byTls = against({ "docker-registry": 1.3, "distribution-3": 1.3, zot: null, angos: null });

export const pullScenarios: readonly Scenario[] = [
  pullScenario("pull-1g", 1, "one 1 GiB blob, one reader, three times in a row"),
  pullScenario("pull-8x", 8, "8 readers of one blob at once (1 GiB; 256 MiB when quick)"),
  pullScenario("tls-pull-1g", 1, "one 1 GiB blob by HTTPS, one reader, three times in a row", true),
];

function pullScenario(name: string, readers: number, what: string, secure = false): Scenario {
  const sides = secure ? byTls : plain;
  return {
    name,
    what,
    unit: "MB/s",
    better: "more",
    ...sides,
    run: async (settings) => {
      const payload = new Payload(settings.quick && readers > 1 ? 256 * mebibyte : gibibyte);
      // One reader needs half a second, which a short disturbance could distort.
      const turns = readers === 1 ? 3 : 1;
      await using arena = await Arena.open(settings, sides.peers, { secure });
      return await arena.interleave(
        settings,
        (contender) => placeBlob(contender, repository, payload),
        async (contender) => {
          const path = placeOf(contender, repository, payload);
          const timing = await timed(contender, async () => {
            for (let turn = 0; turn < turns; turn++) {
              const lengths = await Promise.all(Array.from({ length: readers }, () => read(contender, path)));
              assert(
                lengths.every((length) => length === payload.length),
                "every reader gets the whole blob",
              );
            }
          });
          const bytes = turns * readers * payload.length;
          return { value: bytes / megabyte / timing.seconds, ...timing, bytes };
        },
      );
    },
  };
}

/** The check before the timed part has decrypted everything. */
function read(endpoint: Endpoint, path: string): Promise<number> {
  const { port, ca } = endpoint;
  return ca === undefined ? drain(endpoint, path) : drainRecords(port, ca, path);
}
