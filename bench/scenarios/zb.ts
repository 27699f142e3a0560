/**
 * The table of zb, zot's own load tool, a common comparison of registries: the same mixes of the same sizes, with the number
 * of clients in its documentation. Unlike zb, every pushed byte is new and incompressible, servers are warm, and the rate
 * excludes preparation and clean-up.
 */
import { strict as assert } from "node:assert";
import { Arena, discardLargeFiles, timed } from "../arena.js";
import type { Contender } from "../contenders.js";
import { Durations, withConnections, workOff } from "../driver/clients.js";
import { Connection } from "../driver/connection.js";
import { drain, verify } from "../driver/drain.js";
import { type Image, makeImage, storeImage } from "../driver/image.js";
import { Payload } from "../driver/payload.js";
import {
  blobPath,
  expectStatus,
  manifestMediaType,
  manifestPath,
  type PushShape,
  pushBlob,
  putManifest,
} from "../driver/registry.js";
import { measureLoad, toolIsThere } from "../measure-load.js";
import { type Aims, against, type Sample, type Scenario } from "../scenario.js";
import { warmUpPushes } from "../small-images.js";
import { mebibyte } from "../units.js";

const clients = 10;
const configBytes = 1_000;
const catalogRepositories = 100;

const sizes = { "1m": mebibyte, "10m": 10 * mebibyte, "100m": 100 * mebibyte } as const;
type Size = keyof typeof sizes;
const everySize = Object.keys(sizes) as readonly Size[];

interface Job {
  readonly kind: "pull" | PushShape;
  readonly size: Size;
}

/** The repeated work of the clients. */
interface Mix {
  readonly jobs: readonly Job[];
  /** A run takes some seconds; a quick one does a quarter of the work. */
  readonly times: number;
}

const pushing: Aims = {
  "push-limit": null,
  "docker-registry": null,
  "distribution-3": null,
  zot: null,
  angos: null,
};
const pulling: Aims = { "docker-registry": null, "distribution-3": null, zot: null, angos: null };

export const zbScenarios: readonly Scenario[] = [
  catalogScenario(),
  ...onesOfEachSize("zb-push", "push images of one layer: POST, PUT", pushing, "put", 1),
  ...onesOfEachSize("zb-chunk", "push images of one layer: POST, PATCH, PUT", pushing, "patch", 1),
  ...onesOfEachSize("zb-pull", "pull an image of one layer", pulling, "pull", 2),
  zbScenario(
    "zb-pull-mixed",
    "pull images: 20 % of 1m, 70 % of 10m, 10 % of 100m",
    pulling,
    mostlyMedium("pull"),
  ),
  zbScenario(
    "zb-push-mixed",
    "push images: 20 % of 1m, 70 % of 10m, 10 % of 100m",
    pushing,
    mostlyMedium("put"),
  ),
  zbScenario("zb-chunk-mixed", "push images in chunks, a third each of 1m, 10m and 100m", pushing, {
    jobs: everySize.map((size) => ({ kind: "patch", size })),
    times: 3,
  }),
  ...everySize.map((size) =>
    zbScenario(`zb-both-${size}`, `pull 75 % and push 25 %, images of one layer of ${size}`, pulling, {
      jobs: [{ kind: "put", size }, ...repeat<Job>({ kind: "pull", size }, 3)],
      times: { "1m": 25, "10m": 10, "100m": 2 }[size],
    }),
  ),
];

function onesOfEachSize(
  name: string,
  what: string,
  aims: Aims,
  kind: Job["kind"],
  longer: number,
): readonly Scenario[] {
  const times = { "1m": 100, "10m": 40, "100m": 8 };
  return everySize.map((size) => {
    const mix = { jobs: [{ kind, size }], times: times[size] * longer };
    return zbScenario(`${name}-${size}`, `${what}, ${size}`, aims, mix);
  });
}

function mostlyMedium(kind: Job["kind"]): Mix {
  const job = (size: Size): Job => ({ kind, size });
  return { jobs: [...repeat(job("1m"), 2), job("100m"), ...repeat(job("10m"), 7)], times: 2 };
}

function repeat<T>(value: T, times: number): readonly T[] {
  return Array.from({ length: times }, () => value);
}

function zbScenario(name: string, what: string, aims: Aims, { jobs, times }: Mix): Scenario {
  const sides = against(aims);
  return {
    name,
    what: `${clients} clients ${what}`,
    unit: "images/s",
    better: "more",
    ...sides,
    run: async (settings) => {
      const pulled = new Map(
        everySize
          .filter((size) => jobs.some((job) => job.kind === "pull" && job.size === size))
          .map((size) => [size, newImage(size, `pulled-${size}`)]),
      );
      const timesNow = settings.quick ? Math.ceil(times / 4) : times;
      await using arena = await Arena.open(settings, sides.peers);
      return await arena.interleave(
        settings,
        async (contender) => {
          if (jobs.some(({ kind }) => kind !== "pull")) await warmUpPushes(contender, settings);
          await prepare(contender, [...pulled.values()]);
          await runJobs(contender, jobs, pulled, "warm-up");
        },
        async (contender, round) => {
          const all = repeat(jobs, timesNow).flat();
          const sample = await runJobs(contender, all, pulled, `round-${round}`);
          // Pulled content stays; pushed content is not requested again.
          if (pulled.size === 0) await discardLargeFiles(contender.dataFolder);
          return sample;
        },
      );
    },
  };
}

/** In its own repository. */
function newImage(size: Size, name: string): Image {
  return makeImage(`zb/${name}`, "latest", new Payload(configBytes), [new Payload(sizes[size])]);
}

/** It also checks that the measured operations work: an image must be returned. */
async function prepare(contender: Contender, images: readonly Image[]): Promise<void> {
  using connection = await Connection.open(contender);
  for (const image of images) {
    await storeImage(connection, image);
    for (const { digest } of image.blobs) {
      await verify(contender, blobPath(image.repository, digest), digest);
    }
  }
}

async function runJobs(
  contender: Contender,
  jobs: readonly Job[],
  pulled: ReadonlyMap<Size, Image>,
  name: string,
): Promise<Sample> {
  const works = jobs.map(({ kind, size }, index) => {
    const stored = kind === "pull" ? pulled.get(size) : undefined;
    const image = stored ?? newImage(size, `${name}-${index}`);
    return { kind, image };
  });
  const durations = new Durations();
  const timing = await withConnections(contender, clients, (connections) =>
    timed(contender, () =>
      workOff(connections, works, (connection, { kind, image }) =>
        durations.measure(
          kind === "pull" ? pull(contender, connection, image) : push(connection, image, kind),
        ),
      ),
    ),
  );
  const bytes = works.flatMap(({ image }) => image.blobs).reduce((sum, { length }) => sum + length, 0);
  return { value: jobs.length / timing.seconds, ...timing, bytes, details: durations.details("image") };
}

/** Like zb: the layer, the config, the manifest, without checking whether they exist. */
async function push(connection: Connection, image: Image, shape: PushShape): Promise<void> {
  const { repository, tag, blobs, manifest } = image;
  for (const blob of blobs)
    await pushBlob(connection, repository, blob, blob.length > configBytes ? shape : "put");
  await putManifest(connection, repository, tag, manifest);
}

/** HEAD and GET of everything. */
async function pull(contender: Contender, connection: Connection, image: Image): Promise<void> {
  const { repository, tag, blobs } = image;
  const headers = { Accept: manifestMediaType };
  const path = manifestPath(repository, tag);
  for (const method of ["HEAD", "GET"]) {
    expectStatus(await connection.request(method, path, { headers }), 200, `${method} manifest`);
  }
  for (const { digest, length } of blobs) {
    const blob = blobPath(repository, digest);
    expectStatus(await connection.request("HEAD", blob), 200, "HEAD blob");
    assert.equal(await drain(contender, blob), length, "the whole blob arrives");
  }
}

function catalogScenario(): Scenario {
  const sides = against(pulling);
  return {
    name: "zb-catalog",
    what: `${clients} clients get the catalog of ${catalogRepositories} repositories, driven by wrk`,
    unit: "requests/s",
    better: "more",
    ...sides,
    run: async (settings) => {
      if (!(await toolIsThere("wrk"))) return [];
      const ask = (contender: Contender, seconds: number) =>
        measureLoad(contender, "wrk", {
          path: "/v2/_catalog",
          method: "GET",
          accept: "application/json",
          connections: clients,
          seconds,
          reconnect: false,
        });
      await using arena = await Arena.open(settings, sides.peers);
      return await arena.interleave(
        settings,
        async (contender) => {
          using connection = await Connection.open(contender);
          for (let repository = 0; repository < catalogRepositories; repository++) {
            const config = new Payload(configBytes);
            await storeImage(connection, makeImage(`zb/listed-${repository}`, "latest", config, []));
          }
          await ask(contender, 1);
        },
        (contender) => ask(contender, settings.quick ? 2 : 3),
      );
    },
  };
}
