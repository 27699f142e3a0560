/**
 * What several processes cost and gain, with `http.processes` of 2 beside 1 and 4: the CPU time of all processes for a cached
 * GET, a GB and a small image, their rates, and the messages between them. On few cores, only the CPU time tells what they
 * would do on many.
 */
import { strict as assert } from "node:assert";
import { Arena, discardLargeFiles, timed } from "../arena.js";
import type { Contender } from "../contenders.js";
import { drain } from "../driver/drain.js";
import { Payload } from "../driver/payload.js";
import { toolIsThere } from "../measure-load.js";
import { placeBlob, placeOf } from "../placed-blob.js";
import { against, type Sample, type Scenario } from "../scenario.js";
import { makeImages, pushImages } from "../small-images.js";
import { mebibyte, megabyte } from "../units.js";
import { askForManifest, prepareManifest } from "./metadata.js";
import { type Push, pushAtOnce } from "./push-large.js";

const repository = "bench/processes";
const sides = against({ "gantry-1-process": null, "gantry-4-processes": null });

/**
 * Until a process has compiled its code, it takes up to three times as much CPU time, and each of four processes gets a quarter of
 * the requests. So the figures are those of a steady state: an image takes the same from some 1,200 for each process on, and a
 * GB pulled from some 15 GB on.
 */
const getWarmUpSeconds = 8;
const getSeconds = 4;
const images = 384;
const imagesToWarmUp = { quick: images, full: 13 * images };

const pushed: Push = { blobs: 16, blobBytes: 64 * mebibyte, shape: "patch" };
const pushedToWarmUp: Push = { ...pushed, blobs: 32, blobBytes: 8 * mebibyte };

/** One blob for each reader: a process reads a blob once for all its readers, so that several would read one several times. */
const pulled = Array.from({ length: 8 }, () => new Payload(64 * mebibyte));
const turnsToWarmUp = { quick: 1, full: 112 };
const pullTurns = { quick: 6, full: 24 };

/** `effort` tells how much to do. */
type Effort = "quick" | "full";
type WarmUp = (contender: Contender, effort: Effort) => Promise<void>;
type Work = (contender: Contender, round: number, effort: Effort) => Promise<Sample>;

export const processesScenarios: readonly Scenario[] = [
  scenario("processes-get", "GET manifest by tag, 64 connections, driven by wrk", "requests/s", {
    warmUp: async (contender) => {
      await prepareManifest(contender);
      await askForManifest(contender, getWarmUpSeconds);
    },
    run: async (contender) => {
      const before = await messagesOf(contender);
      const sample = await askForManifest(contender, getSeconds);
      return {
        ...sample,
        details: { ...sample.details, ...(await perOperation(contender, before, sample.requests)) },
      };
    },
  }),
  scenario("processes-push", "16 blobs of 64 MiB at once: POST, chunked PATCH, PUT", "MB/s", {
    warmUp: async (contender) => {
      await pushAtOnce(contender, pushedToWarmUp);
      await discardLargeFiles(contender.dataFolder);
    },
    run: async (contender) => {
      const sample = await pushAtOnce(contender, pushed);
      await discardLargeFiles(contender.dataFolder);
      return sample;
    },
  }),
  scenario(
    "processes-pull",
    "8 readers at once, each of another blob of 64 MiB, 24 times (6 when quick)",
    "MB/s",
    {
      warmUp: async (contender, effort) => {
        for (const payload of pulled) await placeBlob(contender, repository, payload);
        await pullAtOnce(contender, turnsToWarmUp[effort]);
      },
      run: (contender, _, effort) => pullAtOnce(contender, pullTurns[effort]),
    },
  ),
  scenario("processes-small", "images of a config and 3 layers of 10 KB to 1 MB, 32 clients", "images/s", {
    warmUp: async (contender, effort) => {
      for (let pushed = 0; pushed < imagesToWarmUp[effort]; pushed += images)
        await pushImages(contender, makeImages(images, `warm-up-${pushed}`));
    },
    run: async (contender, round) => {
      const before = await messagesOf(contender);
      const sample = await pushImages(contender, makeImages(images, `round-${round}`));
      return {
        ...sample,
        details: { ...sample.details, ...(await perOperation(contender, before, images)) },
      };
    },
  }),
];

function scenario(
  name: string,
  what: string,
  unit: string,
  { warmUp, run }: { readonly warmUp: WarmUp; readonly run: Work },
): Scenario {
  return {
    name,
    what: `${what}; 2 processes beside 1 and 4`,
    unit,
    better: "more",
    ...sides,
    run: async (settings) => {
      if (!(await toolIsThere("wrk"))) return [];
      await using arena = await Arena.open({ ...settings, subject: "gantry-2-processes" }, sides.peers);
      const effort = settings.quick ? "quick" : "full";
      return await arena.interleave(
        settings,
        (contender) => warmUp(contender, effort),
        (contender, round) => run(contender, round, effort),
      );
    },
  };
}

async function pullAtOnce(contender: Contender, turns: number): Promise<Sample> {
  const timing = await timed(contender, async () => {
    for (let turn = 0; turn < turns; turn++)
      await Promise.all(pulled.map((payload) => pull(contender, payload)));
  });
  const bytes = turns * pulled.reduce((sum, { length }) => sum + length, 0);
  return { value: bytes / megabyte / timing.seconds, ...timing, bytes };
}

async function pull(contender: Contender, payload: Payload): Promise<void> {
  assert.equal(await drain(contender, placeOf(contender, repository, payload)), payload.length);
}

/** The messages between the processes so far. */
async function messagesOf({ port }: Contender): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^gantry_process_messages_total (\S+)$/m.exec(page)?.[1] ?? 0);
}

async function perOperation(
  contender: Contender,
  before: number,
  operations = 1,
): Promise<Readonly<Record<string, number>>> {
  // Without those of the two requests for the metrics, which take a few.
  const again = await messagesOf(contender);
  const after = await messagesOf(contender);
  return { messagesEach: Math.max(0, again - before - (after - again)) / operations };
}
