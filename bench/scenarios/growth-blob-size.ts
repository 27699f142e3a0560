/** The cost of another byte: one client pushes or pulls one blob after the other, of 1 KiB to 1 GiB. */
import { strict as assert } from "node:assert";
import { along } from "../along.js";
import { Arena, discardLargeFiles, timed } from "../arena.js";
import type { Contender, ContenderName } from "../contenders.js";
import { Connection } from "../driver/connection.js";
import { drain } from "../driver/drain.js";
import { Payload } from "../driver/payload.js";
import { pushBlob } from "../driver/registry.js";
import { placeBlob, placeOf } from "../placed-blob.js";
import type { Growth, Sample } from "../scenario.js";
import { gibibyte, kibibyte, mebibyte } from "../units.js";

const repository = "bench/growth";
const sizes = [kibibyte, 16 * kibibyte, 256 * kibibyte, 4 * mebibyte, 64 * mebibyte, gibibyte];
const quickSizes = sizes.filter((bytes) => bytes < gibibyte);
/** This many blobs of a size make a run long enough to measure, and short enough to wait for. */
const blobsMax = 64;
const runBytes = 64 * mebibyte;

const pushPeers: readonly ContenderName[] = ["push-limit", "docker-registry", "distribution-3", "zot"];
const pullPeers: readonly ContenderName[] = ["nginx", "docker-registry", "distribution-3", "zot"];

export const growthBlobSize: readonly Growth[] = [
  {
    name: "growth-push-size",
    what: "one client pushes blobs of 1 KiB to 1 GiB, one after the other: POST, PUT",
    along: "bytes of a blob",
    unit: "ms for each push",
    better: "less",
    why: "The cost of a small blob is its round trips and syncs, whatever its size; from some hundred KiB on every byte is received, hashed and written.",
    peers: pushPeers,
    run: async (settings) => {
      await using arena = await Arena.open(settings, pushPeers);
      return await along(settings.quick ? quickSizes : sizes, settings, (bytes, plan) =>
        arena.interleave(
          plan,
          async (contender) => {
            await push(contender, bytes, 1);
          },
          (contender) => push(contender, bytes, blobsOf(bytes)),
        ),
      );
    },
  },
  {
    name: "growth-pull-size",
    what: "one client pulls a blob of 1 KiB to 1 GiB from the page cache, repeatedly, each time on a new connection",
    along: "bytes of a blob",
    unit: "ms for each pull",
    better: "less",
    why: "The cost of a small blob is its connection and its request, whatever its size; from some hundred KiB on every byte is copied by the kernel.",
    peers: pullPeers,
    run: async (settings) => {
      await using arena = await Arena.open(settings, pullPeers);
      return await along(settings.quick ? quickSizes : sizes, settings, async (bytes, plan) => {
        const payload = new Payload(bytes);
        const series = await arena.interleave(
          plan,
          (contender) => placeBlob(contender, repository, payload),
          (contender) => pull(contender, payload, blobsOf(bytes)),
        );
        for (const { dataFolder } of arena.contenders) await discardLargeFiles(dataFolder);
        return series;
      });
    },
  },
];

function blobsOf(bytes: number): number {
  return Math.max(1, Math.min(blobsMax, runBytes / bytes));
}

async function push(contender: Contender, bytes: number, blobs: number): Promise<Sample> {
  const payloads = Array.from({ length: blobs }, () => new Payload(bytes));
  using connection = await Connection.open(contender);
  const timing = await timed(contender, async () => {
    for (const payload of payloads) await pushBlob(connection, repository, payload, "put");
  });
  await discardLargeFiles(contender.dataFolder);
  return { value: (1000 * timing.seconds) / blobs, ...timing, bytes: blobs * bytes };
}

async function pull(contender: Contender, payload: Payload, times: number): Promise<Sample> {
  const path = placeOf(contender, repository, payload);
  const timing = await timed(contender, async () => {
    for (let time = 0; time < times; time++) {
      assert.equal(await drain(contender, path), payload.length, "the whole blob arrives");
    }
  });
  return { value: (1000 * timing.seconds) / times, ...timing, bytes: times * payload.length };
}
