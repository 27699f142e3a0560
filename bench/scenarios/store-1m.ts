/** A store of a million blobs: its start with empty memory, requests, pushes, and an operator's commands. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { Random } from "../../test/torture/random.js";
import { Arena, timed } from "../arena.js";
import { gantryCommand } from "../contenders/gantry.js";
import type { Contender } from "../contenders.js";
import { Durations, withConnections, workOff } from "../driver/clients.js";
import { Connection } from "../driver/connection.js";
import { blobPath, expectStatus, manifestMediaType, manifestPath } from "../driver/registry.js";
import { forgetPeak, peakResidentBytes, syncDisks } from "../processes.js";
import { progress } from "../progress.js";
import type { Sample, Scenario } from "../scenario.js";
import { blobAt, repositoryAt, type StoreShape, tagAt } from "../stores/lay.js";
import { laying } from "../stores/store-in.js";
import { megabyte } from "../units.js";
import { startAnew } from "./cold-start.js";
import { pushSmallImages } from "./slow-beside-fast.js";

const shapeOf = (quick: boolean): StoreShape => ({
  repositories: quick ? 10 : 1_000,
  imagesOfRepository: 50,
  blobsOfImage: 20,
  tagsOfImage: 1,
});
const heads = 20_000;
const headsAtOnce = 32;
const commandSecondsMax = 240;

export const largeStoreScenarios: readonly Scenario[] = [
  {
    name: "store-1m",
    what: "HEAD of random ones of 1,000,000 blobs (10,000 when quick), 32 connections, after a start with empty memory",
    unit: "requests/s",
    better: "more",
    // Generating the folders of others, with several files and folders per blob, takes a quarter of an hour.
    peers: [],
    targets: [],
    run: async (settings) => {
      const shape = shapeOf(settings.quick);
      await using arena = await Arena.open(settings, [], { lay: laying(shape) });
      return await arena.interleave(
        { ...settings, rounds: 1 },
        async () => {},
        (contender) => measureStore(contender, shape, settings.quick),
      );
    },
  },
];

async function measureStore(contender: Contender, shape: StoreShape, quick: boolean): Promise<Sample> {
  await forgetFiles();
  const started = await startAnew(contender);
  const firstManifest = await firstManifestMilliseconds(contender, shape);
  const asked = await askForBlobs(contender, shape);
  const pushed = await pushSmallImages(contender, quick, "beside");
  return {
    ...asked,
    details: {
      ...asked.details,
      coldStartMilliseconds: started.value,
      firstManifestMilliseconds: firstManifest,
      pushedImagesPerSecond: pushed.value,
      // The commands are Gantry's own.
      ...(contender.name === "gantry" && {
        ...(await commandDetails(contender, "stats")),
        ...(await commandDetails(contender, "gc")),
      }),
    },
  };
}

/** So that the store's folders and files come from the disk, as after a boot. */
async function forgetFiles(): Promise<void> {
  await syncDisks();
  await writeFile("/proc/sys/vm/drop_caches", "3").catch(() =>
    progress("may not drop the page cache: the start uses a warm one"),
  );
}

async function firstManifestMilliseconds(contender: Contender, shape: StoreShape): Promise<number> {
  using connection = await Connection.open(contender);
  const path = manifestPath(repositoryAt(shape.repositories >> 1), tagAt(shape.imagesOfRepository >> 1, 0));
  const begin = performance.now();
  const reply = await connection.request("GET", path, { headers: { Accept: manifestMediaType } });
  expectStatus(reply, 200, "GET manifest");
  return performance.now() - begin;
}

async function askForBlobs(contender: Contender, shape: StoreShape): Promise<Sample> {
  const random = new Random("a million blobs");
  const paths = Array.from({ length: heads }, () => {
    const repository = random.between(0, shape.repositories);
    const blob = random.between(0, shape.imagesOfRepository * shape.blobsOfImage);
    return blobPath(repositoryAt(repository), blobAt(repository, blob));
  });
  const durations = new Durations();
  const timing = await withConnections(contender, headsAtOnce, (connections) =>
    timed(contender, () =>
      workOff(connections, paths, async (connection, path) => {
        expectStatus(await durations.measure(connection.request("HEAD", path)), 200, `HEAD ${path}`);
      }),
    ),
  );
  return { value: heads / timing.seconds, ...timing, requests: heads, details: durations.details("head") };
}

/** Through the server that holds the store, so that its memory is measured. */
async function commandDetails(
  contender: Contender,
  command: "stats" | "gc",
): Promise<Record<string, number>> {
  forgetPeak(contender.pid);
  const { seconds } = await timed(contender, () =>
    promisify(execFile)(process.execPath, [gantryCommand, command, "--json"], {
      env: { ...process.env, REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: contender.dataFolder },
      timeout: commandSecondsMax * 1000,
      maxBuffer: 64 * megabyte,
    }),
  );
  return {
    [`${command}Seconds`]: seconds,
    [`${command}PeakMegabytes`]: peakResidentBytes(contender.pid) / megabyte,
  };
}
