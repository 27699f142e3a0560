/**
 * A CI day: jobs that build on popular base images push their new layers, while other jobs pull images pushed before.
 * driver/ci-plan decides about pushes and pulls.
 */
import { Arena, timed } from "../arena.js";
import type { Contender } from "../contenders.js";
import { type CiPlan, type CiShape, planCiDay } from "../driver/ci-plan.js";
import { Durations, withConnections, workOff } from "../driver/clients.js";
import { Connection } from "../driver/connection.js";
import { type Image, makeImage, pullImage, pushImage, storeImage } from "../driver/image.js";
import { Payload } from "../driver/payload.js";
import { against, type Sample, type Scenario } from "../scenario.js";
import { warmUpPushes } from "../small-images.js";
import { megabyte } from "../units.js";

const sides = against({ "docker-registry": 3, "distribution-3": 3, zot: null, angos: null });
const seed = "a CI day";
const configBytes = 4_000;

const wholeDay = { pushes: 240, pulls: 480, repositories: 40, baseImages: 12, atOnce: 32 };
const quickDay = { ...wholeDay, pushes: 80, pulls: 160 };
const warmUpDay = { ...wholeDay, pushes: 32, pulls: 32 };

export const ciDayScenarios: readonly Scenario[] = [
  {
    name: "ci-day",
    what: "32 jobs at once: push images of 3 to 5 layers on 12 popular bases to 40 repositories, pull images pushed before",
    unit: "jobs/s",
    better: "more",
    ...sides,
    run: async (settings) => {
      const shape = settings.quick ? quickDay : wholeDay;
      const bases = makeBases(planCiDay(seed, shape));
      await using arena = await Arena.open(settings, sides.peers);
      return await arena.interleave(
        settings,
        async (contender) => {
          using connection = await Connection.open(contender);
          for (const base of bases) await storeImage(connection, base);
          await warmUpPushes(contender, settings);
          await spendDay(contender, warmUpDay, bases, "warm-up");
        },
        (contender, round) => spendDay(contender, shape, bases, `round-${round}`),
      );
    },
  },
];

/** Pushed once for all rounds. */
function makeBases({ baseLayerBytes }: CiPlan): readonly Image[] {
  return baseLayerBytes.map((sizes, base) => {
    const layers = sizes.map((bytes) => new Payload(bytes));
    return makeImage(`ci/base-${base}`, "latest", new Payload(configBytes), layers);
  });
}

/** The sizes are the same in every round and for every contender; the bytes of built layers are always new. */
function makeImages({ images }: CiPlan, bases: readonly Image[], name: string): readonly Image[] {
  return images.map(({ repository, base, layerBytes }, image) => {
    const own = layerBytes.map((bytes) => new Payload(bytes));
    const below = bases[base]?.blobs.slice(0, -1) ?? [];
    return makeImage(`ci/${name}/app-${repository}`, `build-${image}`, new Payload(configBytes), [
      ...below,
      ...own,
    ]);
  });
}

async function spendDay(
  contender: Contender,
  shape: CiShape,
  bases: readonly Image[],
  name: string,
): Promise<Sample> {
  const plan = planCiDay(seed, shape);
  const images = makeImages(plan, bases, name);
  const homes = new Map(bases.flatMap(({ repository, blobs }) => blobs.map((blob) => [blob, repository])));
  const homeOf = (blob: Payload) => homes.get(blob);
  /** By image; a pull comes after its push in the queue, but that may still be running. */
  const pushed: Promise<number>[] = [];
  const [pushes, pulls] = [new Durations(), new Durations()];
  let [bytesUp, bytesDown] = [0, 0];
  const timing = await withConnections(contender, shape.atOnce, (connections) =>
    timed(contender, () =>
      workOff(connections, plan.jobs, async (connection, job) => {
        const image = images[job.image];
        if (image === undefined) return;
        if (job.kind === "push") {
          const pushing = pushes.measure(pushImage(connection, image, homeOf));
          pushed[job.image] = pushing;
          const sent = await pushing;
          bytesUp += sent;
        } else {
          await pushed[job.image];
          const received = await pulls.measure(pullImage(contender, connection, image));
          bytesDown += received;
        }
      }),
    ),
  );
  return {
    value: plan.jobs.length / timing.seconds,
    ...timing,
    bytes: bytesUp + bytesDown,
    details: {
      ...pushes.details("push"),
      ...pulls.details("pull"),
      megabytesUp: bytesUp / megabyte,
      megabytesDown: bytesDown / megabyte,
    },
  };
}
